//! Which loader firmware is sent, as people write it.

use common::{
    Objection, Refusal,
    rack_config::boot::{Architecture, BootPath, Loaders},
};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The loader of one architecture: `uefi-x64=ipxe/snponly.efi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderSetting {
    pub architecture: Architecture,
    pub path: BootPath,
}

/// Of the boot files that something names, those that are there.
pub type Files = BTreeSet<BootPath>;

/// By architecture; which of two for one has been objected to.
pub fn loaders(settings: &[LoaderSetting]) -> Loaders {
    settings.iter().map(|own| (own.architecture, own.path.clone())).collect()
}

pub(crate) fn judge_loaders(
    loaders: &[LoaderSetting],
    files: &Files,
    objections: &mut Vec<Objection>,
) {
    for (at, loader) in loaders.iter().enumerate() {
        if loaders[..at].iter().any(|other| other.architecture == loader.architecture) {
            let rule = format!("is a second loader of {}", loader.architecture);
            objections.push(Objection::new("loaders", loader, rule));
        } else if !files.contains(&loader.path) {
            let rule = format!("names {}, which {NO_FILE}", loader.path);
            objections.push(Objection::new("loaders", loader, rule));
        }
    }
}

pub(crate) const NO_FILE: &str = "is no boot file; see: hostler boot-file list";

impl FromStr for LoaderSetting {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (architecture, path) = text.split_once('=').ok_or_else(|| {
            Refusal::new("must be ARCHITECTURE=PATH, such as uefi-x64=ipxe/snponly.efi")
        })?;
        let within = |part: &'static str| {
            move |refusal: Refusal| Refusal::new(format!("has {part} that {}", refusal.0))
        };
        let architecture = architecture.trim().parse().map_err(within("an architecture"))?;
        let path = path.trim().parse().map_err(within("a path"))?;
        Ok(Self { architecture, path })
    }
}

impl fmt::Display for LoaderSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.architecture, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_setting_says_what_is_wrong_with_it() {
        for (text, expected) in [
            ("uefi-x64 = shim/shimx64.efi", "uefi-x64=shim/shimx64.efi"),
            ("shimx64.efi", "must be ARCHITECTURE=PATH"),
            ("x86=a", "has an architecture that must be one of bios, "),
            ("bios=/a", "has a path that must be a path such as"),
        ] {
            let read = text.parse::<LoaderSetting>();
            let shown = read.map_or_else(|refusal| refusal.0, |own| own.to_string());
            assert!(shown.starts_with(expected), "{text}: {shown}");
        }
    }
}
