//! What machines boot: which loader by architecture, which profile by name, which machine by MAC address.

use common::{
    Objection,
    rack_config::boot::{
        Architecture, BootConfig, BootFile, BootMachine, BootParts, BootPath, Loaders,
    },
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

use crate::{loader::loaders, model::BootModel};

/// The usual names of loaders, the best first: where the operator names none, the first that is a boot file is sent.
pub const USUAL_LOADERS: &[(Architecture, &[&str])] = &[
    (Architecture::Bios, &["ipxe/undionly.kpxe"]),
    (Architecture::UefiX64, &["ipxe/snponly.efi", "ipxe/ipxe.efi", "shim/shimx64.efi"]),
    (
        Architecture::UefiArm64,
        &["ipxe/snponly-arm64.efi", "ipxe/ipxe-arm64.efi", "shim/shimaa64.efi"],
    ),
];

/// The boot scope, which is the same for each rack. None: this region boots nothing.
pub fn build(model: &BootModel) -> Option<Result<BootConfig, Vec<Objection>>> {
    let BootModel { files, profiles, default, machines, interfaces } = model;
    if files.is_empty() && profiles.is_empty() && machines.is_empty() {
        return None;
    }
    let files: BTreeMap<BootPath, BootFile> = files.iter().cloned().collect();
    let mut all_loaders = usual_loaders(&files);
    let set = default.as_ref().map(|own| loaders(&own.loaders));
    all_loaders.extend(set.unwrap_or_default());
    let names: BTreeMap<_, _> = profiles.iter().map(|(id, own)| (*id, own.name.clone())).collect();
    let profile = |own: &crate::BootProfile| common::rack_config::boot::BootProfile {
        target: own.boots(),
        loaders: loaders(&own.loaders),
    };
    let mut macs = BTreeMap::<_, Vec<_>>::new();
    for interface in interfaces {
        macs.entry(interface.machine).or_default().push(interface.mac);
    }
    let shared = shared_uuids(model);
    let machines = machines.iter().map(|(id, own)| BootMachine {
        id: id.cast(),
        name: own.name.clone(),
        macs: macs.remove(id).unwrap_or_default(),
        uuid: own.uuid.filter(|uuid| !shared.contains(uuid)),
        profile: own.boot_profile.and_then(|id| names.get(&id).cloned()),
    });
    let default = default.as_ref().and_then(|own| own.boot_profile);
    Some(BootConfig::new(BootParts {
        machines: machines.collect(),
        files,
        loaders: all_loaders,
        profiles: profiles.iter().map(|(_, own)| (own.name.clone(), profile(own))).collect(),
        default_profile: default.and_then(|id| names.get(&id).cloned()),
    }))
}

fn usual_loaders(files: &BTreeMap<BootPath, BootFile>) -> Loaders {
    let each = USUAL_LOADERS.iter().filter_map(|(architecture, names)| {
        let mut paths = names.iter().filter_map(|name| name.parse::<BootPath>().ok());
        Some((*architecture, paths.find(|path| files.contains_key(path))?))
    });
    each.collect()
}

/// Some makers give one UUID to all of their boards; then it tells no machine from another.
fn shared_uuids(model: &BootModel) -> BTreeSet<Uuid> {
    let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::new());
    for uuid in model.machines.iter().filter_map(|(_, own)| own.uuid) {
        if !seen.insert(uuid) {
            shared.insert(uuid);
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BootDefault, Interface, Machine, boot_profile::Target};
    use common::Id;

    fn id<T>(number: u128) -> Id<T> {
        Id::new(Uuid::from_u128(number))
    }

    fn file(path: &str) -> (BootPath, BootFile) {
        (path.parse().unwrap(), BootFile { digest: [7; 32], size: 1 })
    }

    fn disk(
        number: u128,
        name: &str,
        loaders: &[&str],
    ) -> (Id<crate::BootProfile>, crate::BootProfile) {
        let profile = crate::BootProfile {
            name: name.parse().unwrap(),
            target: Target::LocalDisk,
            script: Default::default(),
            kernel: Default::default(),
            initrds: Vec::new(),
            command_line: Default::default(),
            loaders: loaders.iter().map(|text| text.parse().unwrap()).collect(),
            note: String::new(),
        };
        (id(number), profile)
    }

    fn machine(number: u128, profile: Option<u128>, uuid: Option<u128>) -> (Id<Machine>, Machine) {
        let machine = Machine {
            name: format!("n{number}").parse().unwrap(),
            architecture: None,
            boot_profile: profile.map(id),
            note: String::new(),
            uuid: uuid.map(Uuid::from_u128),
            serial: String::new(),
        };
        (id(number), machine)
    }

    fn interface(number: u128, last: u8) -> Interface {
        Interface {
            machine: id(number),
            name: format!("eth{last}").parse().unwrap(),
            mac: common::MacAddr::new([2, 0, 0, 0, 0, last]),
            note: String::new(),
        }
    }

    fn default(profile: Option<u128>, loaders: &[&str]) -> Option<BootDefault> {
        Some(BootDefault {
            boot_profile: profile.map(id),
            loaders: loaders.iter().map(|text| text.parse().unwrap()).collect(),
            note: String::new(),
        })
    }

    fn shown(loaders: &Loaders) -> Vec<String> {
        loaders.iter().map(|(architecture, path)| format!("{architecture}={path}")).collect()
    }

    #[test]
    fn a_region_that_boots_nothing_has_no_boot_scope() {
        assert_eq!(build(&BootModel { default: default(None, &[]), ..Default::default() }), None);
        for model in [
            BootModel { files: vec![file("a")], ..Default::default() },
            BootModel { profiles: vec![disk(1, "disk", &[])], ..Default::default() },
            BootModel { machines: vec![machine(1, None, None)], ..Default::default() },
        ] {
            assert!(build(&model).is_some_and(|built| built.is_ok()), "{model:?}");
        }
    }

    #[test]
    fn loaders_with_the_usual_names_are_sent_unless_others_are_named() {
        let files = ["ipxe/undionly.kpxe", "ipxe/ipxe.efi", "shim/shimx64.efi"].map(file).to_vec();
        for (set, expected) in [
            (None, &["bios=ipxe/undionly.kpxe", "uefi-x64=ipxe/ipxe.efi"][..]),
            (
                default(None, &["uefi-x64=shim/shimx64.efi"]),
                &["bios=ipxe/undionly.kpxe", "uefi-x64=shim/shimx64.efi"],
            ),
        ] {
            let model = BootModel { files: files.clone(), default: set, ..Default::default() };
            assert_eq!(shown(build(&model).unwrap().unwrap().loaders()), expected);
        }
        let better = [files, vec![file("ipxe/snponly.efi")]].concat();
        let model = BootModel { files: better, ..Default::default() };
        assert_eq!(
            shown(build(&model).unwrap().unwrap().loaders())[1],
            "uefi-x64=ipxe/snponly.efi"
        );
        for name in USUAL_LOADERS.iter().flat_map(|(_, names)| *names) {
            assert!(name.parse::<BootPath>().is_ok(), "{name}");
        }
    }

    #[test]
    fn machines_have_their_addresses_and_what_they_boot() {
        let model = BootModel {
            files: vec![file("l")],
            profiles: vec![disk(1, "disk", &["bios=l"]), disk(2, "rescue", &[])],
            default: default(Some(2), &[]),
            machines: vec![
                machine(1, Some(1), Some(9)),
                machine(2, None, Some(8)),
                machine(3, None, Some(8)),
            ],
            interfaces: vec![interface(1, 1), interface(2, 3), interface(1, 2)],
        };
        let built = build(&model).unwrap().unwrap();
        let machines: Vec<_> = built
            .machines()
            .iter()
            .map(|own| {
                let macs: Vec<u8> = own.macs.iter().map(|mac| mac.octets()[5]).collect();
                let profile = own.profile.as_ref().map(ToString::to_string);
                (own.name.to_string(), macs, own.uuid.map(|uuid| uuid.as_u128()), profile)
            })
            .collect();
        let row = |name: &str, macs: &[u8], uuid, profile: Option<&str>| {
            (name.to_owned(), macs.to_vec(), uuid, profile.map(str::to_owned))
        };
        let expected = [
            row("n1", &[1, 2], Some(9), Some("disk")),
            row("n2", &[3], None, None),
            row("n3", &[], None, None),
        ];
        assert_eq!(machines, expected);
        assert_eq!(built.default_profile().unwrap().to_string(), "rescue");
        assert_eq!(shown(&built.profiles()[&"disk".parse().unwrap()].loaders), ["bios=l"]);
    }

    #[test]
    fn what_a_rack_would_refuse_is_told_here() {
        let model = BootModel {
            default: default(None, &["bios=gone"]),
            files: vec![file("a")],
            ..Default::default()
        };
        let objections = build(&model).unwrap().unwrap_err();
        assert_eq!(objections[0].field, "loaders.bios");
    }
}
