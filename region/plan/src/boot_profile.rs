use common::{
    Name, Objection, Refusal,
    rack_config::boot::{Architecture, BootPath, BootTarget, Field, Piece, Template},
};
use std::{fmt, str::FromStr};

use crate::loader::{Files, LoaderSetting, NO_FILE, judge_loaders};

/// What machines boot once their loader runs.
#[derive(Clone, Debug, PartialEq)]
pub struct BootProfile {
    pub name: Name,
    pub target: Target,
    pub script: Template,
    pub kernel: Template,
    pub initrds: Vec<Template>,
    pub command_line: Template,
    /// In place of the region's.
    pub loaders: Vec<LoaderSetting>,
    pub note: String,
}

/// What a profile leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    LocalDisk,
    Script,
    Kernel,
}

impl BootProfile {
    /// As racks take it. Every profile that is saved was judged, so its parts fit its target.
    pub fn boots(&self) -> BootTarget {
        match self.target {
            Target::LocalDisk => BootTarget::LocalDisk,
            Target::Script => BootTarget::Script(self.script.clone()),
            Target::Kernel => BootTarget::Kernel {
                kernel: self.kernel.clone(),
                initrds: self.initrds.clone(),
                command_line: self.command_line.clone(),
            },
        }
    }

    /// Every boot file that it names or may come to name, as far as region can tell.
    pub fn paths(&self) -> Files {
        let mut paths: Files = self.loaders.iter().map(|loader| loader.path.clone()).collect();
        for template in self.fetched() {
            match Named::of(template) {
                Named::Open => {}
                Named::One(path) => paths.extend(path.parse()),
                Named::Each(each) => paths.extend(each.iter().flat_map(|(_, path)| path.parse())),
            }
        }
        paths
    }

    /// As far as region can tell.
    pub fn names(&self, path: &BootPath) -> bool {
        self.paths().contains(path)
    }

    /// What a machine of this architecture would be sent for and not find.
    pub fn missing_for(&self, architecture: Architecture, files: &Files) -> Vec<String> {
        let named = self.fetched().filter_map(|template| match Named::of(template) {
            Named::Open => None,
            Named::One(path) => Some(path),
            Named::Each(each) => {
                each.into_iter().find(|(own, _)| *own == architecture).map(|(_, path)| path)
            }
        });
        named.filter(|path| !is_there(path, files)).collect()
    }

    /// The templates of paths.
    fn fetched(&self) -> impl Iterator<Item = &Template> {
        let kernel = (self.target == Target::Kernel).then_some(&self.kernel);
        kernel.into_iter().chain(&self.initrds)
    }
}

/// `files` are what is there of `BootProfile::paths`.
pub fn judge(profile: &BootProfile, files: &Files) -> Vec<Objection> {
    let mut objections = Vec::new();
    judge_parts(profile, &mut objections);
    if profile.target == Target::Kernel {
        judge_files(profile, files, &mut objections);
    }
    judge_loaders(&profile.loaders, files, &mut objections);
    objections
}

/// Each target has its own fields.
fn judge_parts(profile: &BootProfile, objections: &mut Vec<Objection>) {
    let initrds = profile.initrds.iter().map(Template::as_str).collect::<Vec<_>>().join(", ");
    for (field, value, of, needed) in [
        ("script", profile.script.as_str(), Target::Script, true),
        ("kernel", profile.kernel.as_str(), Target::Kernel, true),
        ("initrds", &initrds, Target::Kernel, false),
        ("command_line", profile.command_line.as_str(), Target::Kernel, false),
    ] {
        let here = profile.target == of;
        if here && needed && value.is_empty() {
            let rule = format!("must be given where the target is {of}");
            objections.push(Objection::new(field, "", rule));
        }
        if !here && !value.is_empty() {
            let rule = format!("must be empty unless the target is {of}");
            objections.push(Objection::new(field, first_line(value), rule));
        }
    }
    if profile.command_line.as_str().contains('\n') {
        let value = first_line(profile.command_line.as_str());
        objections.push(Objection::new("command_line", value, "must be one line"));
    }
}

/// Of a long text, enough to know it by.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn judge_files(profile: &BootProfile, files: &Files, objections: &mut Vec<Objection>) {
    let kernel = Named::of(&profile.kernel);
    if !profile.kernel.as_str().is_empty() {
        objections.extend(judge_path("kernel", &profile.kernel, kernel.lacks(None, files)));
    }
    // An initrd is missed where there is a kernel to go with it.
    let kernels = match &kernel {
        Named::Each(each) => {
            let there = each.iter().filter(|(_, path)| is_there(path, files));
            let there: Vec<Architecture> = there.map(|(architecture, _)| *architecture).collect();
            (!there.is_empty()).then_some(there)
        }
        Named::Open | Named::One(_) => None,
    };
    for initrd in &profile.initrds {
        let lacks = Named::of(initrd).lacks(kernels.as_deref(), files);
        objections.extend(judge_path("initrds", initrd, lacks));
    }
}

fn judge_path(field: &str, template: &Template, lacks: Option<String>) -> Option<Objection> {
    let no_path = template.render(sample).parse::<BootPath>().err().map(|refusal| refusal.0);
    no_path.or(lacks).map(|rule| Objection::new(field, template, rule))
}

/// A value as it could be: some fields never make a path.
fn sample(field: Field) -> String {
    match field {
        Field::Name => "n1",
        Field::Mac => "52:54:00:12:34:56",
        Field::MacHyphens => "52-54-00-12-34-56",
        Field::Uuid => "0190a5f0-0000-7000-8000-000000000001",
        Field::Serial => "SN1",
        Field::Arch => "uefi-x64",
        Field::Address => "10.0.0.9",
        Field::Server => "10.0.0.2",
        Field::Url => "http://10.0.0.2:7280/boot",
    }
    .to_owned()
}

/// Which files a template of a path names.
enum Named {
    /// Only a rack can tell, once a machine asks.
    Open,
    One(String),
    /// One for each architecture.
    Each(Vec<(Architecture, String)>),
}

impl Named {
    fn of(template: &Template) -> Self {
        let fields = template.pieces().iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(*field),
            Piece::Text(_) => None,
        });
        let fields: Vec<Field> = fields.collect();
        if fields.is_empty() {
            return Self::One(template.render(|_| String::new()));
        }
        if fields.iter().any(|field| *field != Field::Arch) {
            return Self::Open;
        }
        let each = Architecture::ALL.iter();
        Self::Each(each.map(|own| (*own, template.render(|_| own.to_string()))).collect())
    }

    /// Why it names too little: of `wanted` architectures each must be there, else of any of them one.
    fn lacks(&self, wanted: Option<&[Architecture]>, files: &Files) -> Option<String> {
        match self {
            Self::Open => None,
            Self::One(path) => (!is_there(path, files)).then(|| NO_FILE.to_owned()),
            Self::Each(each) => {
                let wants = |own| wanted.is_none_or(|wanted| wanted.contains(own));
                let paths =
                    each.iter().filter(|(own, _)| wants(own)).map(|(_, path)| path.as_str());
                let (there, gone): (Vec<&str>, Vec<&str>) =
                    paths.partition(|path| is_there(path, files));
                match wanted {
                    Some(_) if !gone.is_empty() => Some(format!("lacks {}", gone.join(", "))),
                    None if there.is_empty() => Some(
                        "is no boot file for any architecture; see: hostler boot-file list".into(),
                    ),
                    Some(_) | None => None,
                }
            }
        }
    }
}

fn is_there(path: &str, files: &Files) -> bool {
    path.parse().is_ok_and(|path: BootPath| files.contains(&path))
}

const TARGETS: [(Target, &str); 3] =
    [(Target::LocalDisk, "local-disk"), (Target::Script, "script"), (Target::Kernel, "kernel")];

impl FromStr for Target {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = TARGETS.iter().find(|(_, name)| *name == text);
        let unknown = || Refusal::new("must be local-disk, script or kernel");
        found.map(|(target, _)| *target).ok_or_else(unknown)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = TARGETS.iter().find(|(target, _)| target == self).map(|(_, name)| *name);
        f.write_str(name.expect("each target has a row"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(target: Target, fields: &[(&str, &str)]) -> BootProfile {
        let all = |name: &'static str| fields.iter().filter(move |(field, _)| *field == name);
        let template = |name| all(name).map(|(_, text)| text.parse().unwrap()).next();
        BootProfile {
            name: "p".parse().unwrap(),
            target,
            script: template("script").unwrap_or_default(),
            kernel: template("kernel").unwrap_or_default(),
            initrds: all("initrds").map(|(_, text)| text.parse().unwrap()).collect(),
            command_line: template("command_line").unwrap_or_default(),
            loaders: all("loaders").map(|(_, text)| text.parse().unwrap()).collect(),
            note: String::new(),
        }
    }

    fn files(paths: &str) -> Files {
        paths.split_whitespace().map(|path| path.parse().unwrap()).collect()
    }

    type Row = (
        Target,
        &'static [(&'static str, &'static str)],
        &'static [(&'static str, &'static str, &'static str)],
    );

    const PATH: &str = "must be a path such as";

    /// A target and fields, and what is said against them.
    const OBJECTIONS: &[Row] = &[
        (Target::LocalDisk, &[], &[]),
        (
            Target::LocalDisk,
            &[("script", "#!ipxe\nexit"), ("kernel", "d/k"), ("command_line", "x")],
            &[
                ("script", "#!ipxe", "must be empty unless the target is script"),
                ("kernel", "d/k", "must be empty unless the target is kernel"),
                ("command_line", "x", "must be empty unless the target is kernel"),
            ],
        ),
        (Target::Script, &[], &[("script", "", "must be given where the target is script")]),
        (Target::Kernel, &[], &[("kernel", "", "must be given where the target is kernel")]),
        (Target::Kernel, &[("kernel", "d/k"), ("initrds", "d/i"), ("command_line", "a b")], &[]),
        (
            Target::Kernel,
            &[("kernel", "d/x"), ("initrds", "d/y"), ("command_line", "a\nb")],
            &[
                ("command_line", "a", "must be one line"),
                ("kernel", "d/x", "is no boot file;"),
                ("initrds", "d/y", "is no boot file;"),
            ],
        ),
        (
            Target::Kernel,
            &[("kernel", "d/{arch}/k"), ("initrds", "d/{arch}/i")],
            &[("initrds", "d/{arch}/i", "lacks d/uefi-arm64/i")],
        ),
        (
            Target::Kernel,
            &[("kernel", "x/{arch}/k"), ("initrds", "d/{arch}/i")],
            &[("kernel", "x/{arch}/k", "is no boot file for any architecture;")],
        ),
        (Target::Kernel, &[("kernel", "{mac-hyphens}/k"), ("initrds", "{name}")], &[]),
        (
            Target::Kernel,
            &[("kernel", "{mac}/k"), ("initrds", "{url}/i"), ("initrds", "/d/i")],
            &[("kernel", "{mac}/k", PATH), ("initrds", "{url}/i", PATH), ("initrds", "/d/i", PATH)],
        ),
        (
            Target::LocalDisk,
            &[("loaders", "bios=l"), ("loaders", "bios=d/k"), ("loaders", "s390x=y")],
            &[
                ("loaders", "bios=d/k", "is a second loader of bios"),
                ("loaders", "s390x=y", "names y, which is no boot file;"),
            ],
        ),
    ];

    #[test]
    fn every_objection_to_a_profile() {
        let there = files("l d/k d/i d/uefi-x64/k d/uefi-arm64/k d/uefi-x64/i");
        for (target, fields, expected) in OBJECTIONS {
            let objections = judge(&profile(*target, fields), &there);
            assert_eq!(objections.len(), expected.len(), "{fields:?}: {objections:?}");
            for (one, (field, value, rule)) in objections.iter().zip(*expected) {
                assert_eq!((one.field.as_str(), one.value.as_str()), (*field, *value));
                assert!(one.rule.starts_with(rule), "{fields:?}: {one:?}");
            }
        }
    }

    #[test]
    fn a_profile_says_which_files_it_may_name() {
        let own = profile(
            Target::Kernel,
            &[
                ("kernel", "d/k"),
                ("initrds", "{name}"),
                ("initrds", "{arch}/i"),
                ("loaders", "bios=l"),
            ],
        );
        let paths = own.paths();
        assert_eq!(paths.len(), 2 + Architecture::ALL.len());
        assert!(files("d/k l bios/i uefi-arm64/i").is_subset(&paths));
        let missing = own.missing_for(Architecture::UefiArm64, &files("d/k uefi-x64/i"));
        assert_eq!(missing, ["uefi-arm64/i"]);
    }
}
