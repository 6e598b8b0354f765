//! What machines boot.

use common::{
    MacAddr, Name, Refusal,
    rack_config::boot::{
        Architecture, BootConfig, BootFile, BootMachine, BootParts, BootPath, BootProfile,
        BootTarget, Loaders, Template,
    },
};
use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    path::{Reading, Refused},
    rack_config::{bytes, hex},
};
use crate::v1::{self, boot_profile_config::Target};

pub(super) fn to_wire(config: &BootConfig) -> v1::BootConfig {
    let files = config.files().iter().map(|(path, file)| v1::BootFileEntry {
        path: path.to_string(),
        sha256: hex(&file.digest),
        size: file.size,
        source: String::new(),
    });
    let profiles = config.profiles().iter().map(|(name, profile)| v1::BootProfileConfig {
        name: name.to_string(),
        loaders: loaders_to_wire(&profile.loaders),
        target: Some(target_to_wire(&profile.target)),
    });
    v1::BootConfig {
        files: files.collect(),
        loaders: loaders_to_wire(config.loaders()),
        profiles: profiles.collect(),
        default_profile: config.default_profile().map(ToString::to_string).unwrap_or_default(),
        machines: config.machines().iter().map(machine_to_wire).collect(),
    }
}

fn loaders_to_wire(loaders: &Loaders) -> Vec<v1::BootLoader> {
    let each = loaders.iter().map(|(architecture, path)| v1::BootLoader {
        architecture: architecture.to_string(),
        path: path.to_string(),
    });
    each.collect()
}

fn target_to_wire(target: &BootTarget) -> Target {
    match target {
        BootTarget::LocalDisk => Target::LocalDisk(v1::LocalDisk {}),
        BootTarget::Script(script) => Target::Script(script.to_string()),
        BootTarget::Kernel { kernel, initrds, command_line } => Target::Kernel(v1::BootKernel {
            kernel: kernel.to_string(),
            initrds: initrds.iter().map(ToString::to_string).collect(),
            command_line: command_line.to_string(),
        }),
    }
}

fn machine_to_wire(machine: &BootMachine) -> v1::BootMachineConfig {
    v1::BootMachineConfig {
        id: machine.id.to_string(),
        name: machine.name.to_string(),
        macs: machine.macs.iter().map(ToString::to_string).collect(),
        uuid: machine.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        profile: machine.profile.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

pub(super) fn from_wire(wire: &v1::BootConfig) -> Result<BootConfig, Refused> {
    let mut reading = Reading::new("");
    let mut files = BTreeMap::new();
    for (at, file) in wire.files.iter().enumerate() {
        let mut below = reading.below("files", at);
        if let Some((path, file)) = file_from_wire(file, &mut below) {
            insert(&mut files, path, file, "path", &mut below);
        }
        reading.take(below);
    }
    let loaders = loaders_from_wire(&wire.loaders, &mut reading);
    let mut profiles = BTreeMap::new();
    for (at, profile) in wire.profiles.iter().enumerate() {
        let mut below = reading.below("profiles", at);
        if let Some((name, profile)) = profile_from_wire(profile, &mut below) {
            insert(&mut profiles, name, profile, "name", &mut below);
        }
        reading.take(below);
    }
    let default_profile = optional_name("default_profile", &wire.default_profile, &mut reading);
    let mut machines = Vec::new();
    for (at, machine) in wire.machines.iter().enumerate() {
        let mut below = reading.below("machines", at);
        machines.extend(machine_from_wire(machine, &mut below));
        reading.take(below);
    }
    if !reading.objections.is_empty() {
        return Err(Refused(reading.objections));
    }
    BootConfig::new(BootParts { files, loaders, profiles, default_profile, machines })
        .map_err(Refused)
}

fn insert<K: Ord + ToString, V>(
    map: &mut BTreeMap<K, V>,
    key: K,
    value: V,
    field: &str,
    reading: &mut Reading,
) {
    match map.entry(key) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(taken) => reading.object(field, taken.key().to_string(), "is given twice"),
    }
}

fn file_from_wire(wire: &v1::BootFileEntry, reading: &mut Reading) -> Option<(BootPath, BootFile)> {
    let path = reading.check("path", &wire.path, wire.path.parse());
    let digest = bytes(&wire.sha256).and_then(|bytes| bytes.try_into().ok());
    let rule = || Refusal::new("must be 64 hexadecimal digits (SHA-256)");
    let digest = reading.check("sha256", &wire.sha256, digest.ok_or_else(rule));
    Some((path?, BootFile { digest: digest?, size: wire.size }))
}

fn loaders_from_wire(wire: &[v1::BootLoader], reading: &mut Reading) -> Loaders {
    let mut loaders = Loaders::new();
    for (at, loader) in wire.iter().enumerate() {
        let mut below = reading.below("loaders", at);
        let architecture: Option<Architecture> =
            below.check("architecture", &loader.architecture, loader.architecture.parse());
        let path = below.check("path", &loader.path, loader.path.parse());
        if let (Some(architecture), Some(path)) = (architecture, path) {
            insert(&mut loaders, architecture, path, "architecture", &mut below);
        }
        reading.take(below);
    }
    loaders
}

fn profile_from_wire(
    wire: &v1::BootProfileConfig,
    reading: &mut Reading,
) -> Option<(Name, BootProfile)> {
    let name = reading.check("name", &wire.name, wire.name.parse());
    let loaders = loaders_from_wire(&wire.loaders, reading);
    let target = match &wire.target {
        None => {
            reading.object("target", "", "must be local_disk, script or kernel");
            None
        }
        Some(Target::LocalDisk(_)) => Some(BootTarget::LocalDisk),
        Some(Target::Script(script)) => template("script", script, reading).map(BootTarget::Script),
        Some(Target::Kernel(kernel)) => kernel_from_wire(kernel, reading),
    };
    Some((name?, BootProfile { target: target?, loaders }))
}

fn kernel_from_wire(wire: &v1::BootKernel, reading: &mut Reading) -> Option<BootTarget> {
    let kernel = template("kernel.kernel", &wire.kernel, reading);
    if wire.kernel.is_empty() {
        reading.object("kernel.kernel", "", "must be given");
    }
    let mut initrds = Vec::new();
    for (at, initrd) in wire.initrds.iter().enumerate() {
        initrds.extend(template(&format!("kernel.initrds[{at}]"), initrd, reading));
    }
    let command_line = template("kernel.command_line", &wire.command_line, reading);
    Some(BootTarget::Kernel { kernel: kernel?, initrds, command_line: command_line? })
}

fn template(field: &str, text: &str, reading: &mut Reading) -> Option<Template> {
    reading.check(field, text, text.parse())
}

fn machine_from_wire(wire: &v1::BootMachineConfig, reading: &mut Reading) -> Option<BootMachine> {
    let id = reading.parse("id", &wire.id, "must be a UUID");
    let name = reading.check("name", &wire.name, wire.name.parse());
    let mut macs = Vec::new();
    for (at, mac) in wire.macs.iter().enumerate() {
        macs.extend(reading.check(&format!("macs[{at}]"), mac, mac.parse::<MacAddr>()));
    }
    let uuid = reading.optional("uuid", &wire.uuid, "must be a UUID");
    let profile = optional_name("profile", &wire.profile, reading);
    Some(BootMachine { id: id?, name: name?, macs, uuid, profile })
}

fn optional_name(field: &str, text: &str, reading: &mut Reading) -> Option<Name> {
    if text.is_empty() { None } else { reading.check(field, text, text.parse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a5f0-0000-7000-8000-000000000001";

    fn config() -> v1::BootConfig {
        let file = |path: &str| v1::BootFileEntry {
            path: path.into(),
            sha256: "ab".repeat(32),
            size: 7,
            source: String::new(),
        };
        let loader = |architecture: &str, path: &str| v1::BootLoader {
            architecture: architecture.into(),
            path: path.into(),
        };
        let profile = |name: &str, target| v1::BootProfileConfig {
            name: name.into(),
            loaders: vec![loader("uefi-x64", "shimx64.efi")],
            target: Some(target),
        };
        let kernel = v1::BootKernel {
            kernel: "{arch}/vmlinuz".into(),
            initrds: vec!["{arch}/initrd".into()],
            command_line: "console=ttyS0 host={name}".into(),
        };
        v1::BootConfig {
            files: vec![file("shimx64.efi"), file("undionly.kpxe")],
            loaders: vec![loader("bios", "undionly.kpxe")],
            profiles: vec![
                profile("debian", Target::Kernel(kernel)),
                profile("disk", Target::LocalDisk(v1::LocalDisk {})),
                profile("shell", Target::Script("#!ipxe\nshell\n".into())),
            ],
            default_profile: "disk".into(),
            machines: vec![v1::BootMachineConfig {
                id: ID.into(),
                name: "n1".into(),
                macs: vec!["52:54:00:12:34:56".into()],
                uuid: ID.into(),
                profile: "debian".into(),
            }],
        }
    }

    #[test]
    fn a_boot_scope_survives_the_crossing() {
        let wire = config();
        assert_eq!(to_wire(&from_wire(&wire).unwrap()), wire);
    }

    #[test]
    fn every_bad_field_is_named() {
        let mut wire = config();
        wire.files[0].sha256 = "abc".into();
        wire.files[1].path = "../x".into();
        wire.loaders[0].architecture = "x86".into();
        wire.profiles[0].target = Some(Target::Kernel(v1::BootKernel {
            command_line: "{x}".into(),
            ..Default::default()
        }));
        wire.profiles[1].target = None;
        wire.profiles[2].name = "disk!".into();
        wire.machines[0].macs[0] = "52:54".into();
        let refused = from_wire(&wire).unwrap_err();
        let fields: Vec<_> = refused.0.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "files[0].sha256",
                "files[1].path",
                "loaders[0].architecture",
                "profiles[0].kernel.kernel",
                "profiles[0].kernel.command_line",
                "profiles[1].target",
                "profiles[2].name",
                "machines[0].macs[0]",
            ]
        );
    }
}
