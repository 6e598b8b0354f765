//! A configuration file as scopes, for a rack without a region: from there on nothing knows where they came from.

use common::{Generation, Objection, generation::Digest};
use proto::{convert::rack_config, v1};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use uuid::Uuid;

use crate::{
    config::{self, FileError, RackConfig},
    store::{boot_files, scopes::Record},
};

/// For ids that are made of names: the same name makes the same id at every start, so that leases keep their VLAN.
const NAMESPACE: Uuid = Uuid::from_u128(0x2f1c_9a04_5f5e_4d0c_9b38_6d1d_3f6f_7a11);

/// The file with its scopes, every one of them valid.
pub fn load(path: &Path) -> Result<(RackConfig, Vec<Record>), FileError> {
    let mut config = config::load(path)?;
    if !config.region.is_empty() {
        let what = "`region` is for `hostler-rack run`; a rack that serves its file asks nobody";
        return Err(FileError::WrongKind { path: path.into(), what });
    }
    if config.dhcp.is_empty() {
        let what = "has no [[dhcp]] table, so there is nothing to serve";
        return Err(FileError::WrongKind { path: path.into(), what });
    }
    let refused = |objections| FileError::Refused { path: path.into(), objections };
    let mut records = scopes(&config).map_err(refused)?;
    if let Some(boot) = config.boot.config.take() {
        let (record, sources) = boot_scope(boot).map_err(refused)?;
        records.push(record);
        config.boot.sources = sources;
    }
    Ok((config, records))
}

/// What machines boot; and where on this machine its files are.
fn boot_scope(
    mut boot: v1::BootConfig,
) -> Result<(Record, BTreeMap<Digest, PathBuf>), Vec<Objection>> {
    let (mut sources, mut objections) = (BTreeMap::new(), Vec::new());
    for (at, file) in boot.files.iter_mut().enumerate() {
        let mut object = |field: &str, value: &str, rule: String| {
            let field = format!("boot.config.files[{at}].{field}");
            objections.push(Objection::new(&field, value, rule));
        };
        if file.source.is_empty() {
            object("source", "", "must be given: a rack without a region has no other".into());
            continue;
        }
        match boot_files::digest_of(Path::new(&file.source)) {
            Ok((digest, size)) => {
                let found = boot_files::hex(&digest);
                if !file.sha256.is_empty() && file.sha256.to_lowercase() != found {
                    object(
                        "sha256",
                        &file.sha256,
                        format!("is not the source's, which is {found}"),
                    );
                }
                if file.size != 0 && file.size != size {
                    object("size", &file.size.to_string(), format!("is not the source's, {size}"));
                }
                (file.sha256, file.size) = (found, size);
                sources.insert(digest, std::mem::take(&mut file.source).into());
            }
            Err(error) => object("source", &file.source, format!("cannot be read: {error}")),
        }
    }
    for machine in boot.machines.iter_mut().filter(|machine| machine.id.is_empty()) {
        machine.id = Uuid::new_v5(&NAMESPACE, machine.name.as_bytes()).to_string();
    }
    if !objections.is_empty() {
        return Err(objections);
    }
    let scope = v1::ScopeConfig { scope: Some(v1::scope_config::Scope::Boot(boot)) };
    let record = record(scope).map_err(|refused| {
        let within = |one: Objection| {
            let field = format!("boot.config.{}", one.field.replace('_', "-"));
            Objection { field, ..one }
        };
        refused.into_iter().map(within).collect::<Vec<_>>()
    })?;
    Ok((record, sources))
}

/// Every objection to every VLAN, each with the path of its field in the file.
fn scopes(config: &RackConfig) -> Result<Vec<Record>, Vec<Objection>> {
    let (mut records, mut objections) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (at, vlan) in config.dhcp.iter().enumerate() {
        let vlan = completed(vlan.clone());
        let mut object = |one: Objection| {
            let field = format!("dhcp[{at}].{}", one.field.replace('_', "-"));
            objections.push(Objection { field, ..one });
        };
        if vlan.name.is_empty() {
            object(Objection::new("name", "", "must be given: it is what people call the VLAN"));
        }
        for (field, value) in [("name", &vlan.name), ("id", &vlan.id)] {
            if !seen.insert((field, value.clone())) && !value.is_empty() {
                object(Objection::new(field, value, "is another VLAN's already"));
            }
        }
        let scope = v1::ScopeConfig { scope: Some(v1::scope_config::Scope::Dhcp(vlan)) };
        match record(scope) {
            Ok(record) => records.push(record),
            Err(refused) => refused.into_iter().for_each(object),
        }
    }
    for (interface, vlan) in &config.interfaces {
        let known = |given: &v1::DhcpVlan| given.name == *vlan || given.id == *vlan;
        if !config.dhcp.iter().any(known) {
            let field = format!("interfaces.{interface}");
            objections.push(Objection::new(&field, vlan, "is no VLAN of this file"));
        }
    }
    if objections.is_empty() { Ok(records) } else { Err(objections) }
}

/// With what may be left out in a file.
fn completed(mut vlan: v1::DhcpVlan) -> v1::DhcpVlan {
    let made = |name: &str| Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string();
    if vlan.id.is_empty() {
        vlan.id = made(&vlan.name);
    }
    if vlan.role() == v1::RackRole::Unspecified {
        vlan.set_role(v1::RackRole::Primary);
    }
    for subnet in &mut vlan.subnets {
        if subnet.id.is_empty() {
            subnet.id = made(&format!("{} {}", vlan.name, subnet.prefix));
        }
    }
    vlan
}

fn record(wire: v1::ScopeConfig) -> Result<Record, Vec<Objection>> {
    let config = rack_config::scope_from_wire(&wire).map_err(|refused| refused.0)?;
    let content = rack_config::encode(&config);
    Ok(Record {
        scope: config.name(),
        generation: Generation::default(),
        digest: rack_config::digest(&content),
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::example;

    fn check(text: &str) -> Result<Vec<Record>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("standalone.toml");
        std::fs::write(&path, text).unwrap();
        load(&path).map(|(_, records)| records).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_served_as_it_is() {
        assert_eq!(check(&example::standalone()).unwrap().len(), 1);
    }

    #[test]
    fn ids_that_are_left_out_are_the_same_at_every_start() {
        let text = "[[dhcp]]\nname = \"dc1/10\"\nsubnets = [{ prefix = \"10.0.0.0/24\" }]";
        assert_eq!(check(text).unwrap(), check(text).unwrap());
        assert_ne!(
            check(text).unwrap()[0].scope,
            check(&text.replace("/10", "/11")).unwrap()[0].scope
        );
    }

    #[test]
    fn errors_name_field_value_and_rule() {
        let vlan = "[[dhcp]]\nname = \"dc1/10\"\n";
        let subnet =
            |more: &str| format!("{vlan}[[dhcp.subnets]]\nprefix = \"10.0.0.0/24\"\n{more}");
        for (text, words) in [
            (String::new(), &["no [[dhcp]] table"][..]),
            (format!("region = [\"r:1\"]\n{vlan}"), &["hostler-rack run"]),
            ("[[dhcp]]\n".into(), &["dhcp[0].name", "\"\"", "must be given"]),
            (format!("{vlan}{vlan}"), &["dhcp[1].name", "\"dc1/10\"", "another VLAN's"]),
            (
                format!("{vlan}rol = \"primary\"\n"),
                &[":3:", "unknown field `rol`", "did you mean `role`"],
            ),
            (format!("{vlan}role = \"first\"\n"), &[":3:", "dhcp[0].role", "`first`", "`primary`"]),
            (format!("{vlan}subnets = 3\n"), &[":3:", "dhcp[0].subnets", "a list"]),
            (subnet("lease_seconds = 60"), &["`lease_seconds`", "did you mean `lease-seconds`"]),
            (
                subnet("lease-seconds = -1"),
                &["dhcp[0].subnets[0].lease-seconds", "-1", "whole number"],
            ),
            (
                subnet("lease-seconds = 3"),
                &["dhcp[0].subnets[0].lease-seconds", "\"3\"", "10 seconds"],
            ),
            (subnet("next-server = \"boot\""), &["dhcp[0].subnets[0].next-server", "\"boot\""]),
            (
                subnet("ranges = [{ first = \"10.0.0.9\", last = \"10.0.1.9\" }]"),
                &["dhcp[0].subnets[0].ranges[0]", "10.0.0.9-10.0.1.9", "inside 10.0.0.0/24"],
            ),
            (
                subnet("options = [{ name = \"router\", value = \"10.0.0.1\" }]"),
                &["dhcp[0].subnets[0].options[0].name", "\"router\""],
            ),
            (
                subnet("reservations = [{ address = \"10.0.0.9\" }]"),
                &["dhcp[0].subnets[0].reservations[0].mac", "must be given"],
            ),
            (
                format!("[interfaces]\neth1 = \"dc1/99\"\n{vlan}"),
                &["interfaces.eth1", "\"dc1/99\""],
            ),
        ] {
            let error = check(&text).unwrap_err();
            for word in words.iter().chain(&["standalone.toml"]) {
                assert!(error.contains(word), "{text}:\n{error}\ndoes not say {word}");
            }
        }
    }

    #[test]
    fn what_machines_boot_is_a_scope_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("linux");
        std::fs::write(&kernel, "kernel").unwrap();
        let vlan = "[[dhcp]]\nname = \"dc1/10\"\n";
        let boot =
            |files: &str, more: &str| format!("{vlan}[boot.config]\nfiles = [{files}]\n{more}");
        let file = format!("{{ path = \"linux\", source = {kernel:?} }}");
        let profiles = r#"default-profile = "a"
            profiles = [{ name = "a", kernel = { kernel = "linux" } }, { name = "b", local-disk = {} }]
            machines = [{ name = "n1", macs = ["52:54:00:12:34:56"], profile = "b" }]"#;
        let path = folder.path().join("standalone.toml");
        std::fs::write(&path, boot(&file, profiles)).unwrap();
        let (config, records) = load(&path).unwrap();
        assert_eq!(records[1].scope, common::rack_config::ScopeName::Boot);
        assert_eq!(config.boot.sources.values().collect::<Vec<_>>(), [&kernel]);
        for (files, more, words) in [
            ("{ path = \"a\" }", "", &["boot.config.files[0].source", "must be given"][..]),
            (
                "{ path = \"a\", source = \"/nowhere\" }",
                "",
                &["boot.config.files[0].source", "\"/nowhere\"", "cannot be read"],
            ),
            (
                &format!("{{ path = \"../a\", source = {kernel:?} }}"),
                "",
                &["boot.config.files[0].path", "\"../a\""],
            ),
            (
                &format!("{{ path = \"a\", source = {kernel:?}, sha256 = \"00\", size = 7 }}"),
                "",
                &["files[0].sha256", "files[0].size", "\"7\"", "is not the source's, 6"],
            ),
            (&file, "default-profile = \"x\"", &["boot.config.default-profile", "\"x\""]),
            (&file, "machines = [{ nam = \"n\" }]", &["unknown field `nam`", "did you mean"]),
        ] {
            let error = check(&boot(files, more)).unwrap_err();
            for word in words {
                assert!(error.contains(word), "{files} {more}:\n{error}\ndoes not say {word}");
            }
        }
    }

    #[test]
    fn every_objection_is_told_at_once() {
        let error = check(
            "[[dhcp]]\nname = \"a\"\nsubnets = [{ prefix = \"x\" }, { prefix = \"10.0.0.1/24\" }]\n[[dhcp]]\nname = \"b\"\nsubnets = [{ prefix = \"y\" }]",
        )
        .unwrap_err();
        assert_eq!(error.lines().count(), 3, "{error}");
    }
}
