use common::{Id, Name, Objection, rack_config::boot::Architecture, report::BootAttempt};
use uuid::Uuid;

use crate::{BootProfile, loader::Files};

/// A machine that is known by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    pub name: Name,
    /// None: its firmware has not told it yet.
    pub architecture: Option<Architecture>,
    /// None: the region's default.
    pub boot_profile: Option<Id<BootProfile>>,
    pub note: String,
    /// SMBIOS's, as it was told last.
    pub uuid: Option<Uuid>,
    pub serial: String,
}

impl Machine {
    /// Takes what its firmware tells of itself as it boots. What it does not tell this time stays; an architecture that is known is the operator's.
    pub fn learn(&mut self, attempt: &BootAttempt) {
        if let Some(uuid) = attempt.uuid.filter(|uuid| is_of_one_machine(*uuid)) {
            self.uuid = Some(uuid);
        }
        if !attempt.serial.is_empty() {
            self.serial.clone_from(&attempt.serial);
        }
        if self.architecture.is_none() {
            let told = attempt.architecture.and_then(Architecture::from_code);
            self.architecture = told.map(|(architecture, _)| architecture);
        }
    }
}

/// Firmware without one tells all zeroes or all ones (SMBIOS specification, 7.2.1).
fn is_of_one_machine(uuid: Uuid) -> bool {
    !uuid.is_nil() && !uuid.is_max()
}

/// `profile` is its own, and `files` are what is there of those that the profile names.
pub fn judge(machine: &Machine, profile: Option<&BootProfile>, files: &Files) -> Vec<Objection> {
    let mut objections = Vec::new();
    if let (Some(architecture), Some(id), Some(profile)) =
        (machine.architecture, machine.boot_profile, profile)
    {
        for path in profile.missing_for(architecture, files) {
            let rule = format!("does not boot {architecture}: {path} is no boot file");
            objections.push(Objection::new("boot_profile", id, rule));
        }
    }
    objections
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::report::BootOutcome;

    fn attempt(architecture: Option<u16>, uuid: Option<Uuid>, serial: &str) -> BootAttempt {
        BootAttempt {
            number: 1,
            id: Uuid::nil(),
            vlan: Id::new(Uuid::nil()),
            mac: "52:54:00:12:34:56".parse().unwrap(),
            machine: None,
            architecture,
            uuid,
            serial: serial.into(),
            stages: Vec::new(),
            outcome: BootOutcome::Running,
        }
    }

    #[test]
    fn what_firmware_tells_is_kept_and_what_it_leaves_out_stays() {
        let mut machine = Machine {
            name: "n1".parse().unwrap(),
            architecture: None,
            boot_profile: None,
            note: String::new(),
            uuid: None,
            serial: String::new(),
        };
        let own = Uuid::from_u128(7);
        for (told, uuid, serial, architecture) in [
            (attempt(None, Some(Uuid::nil()), ""), None, "", None),
            (attempt(Some(7), Some(own), ""), Some(own), "", Some(Architecture::UefiX64)),
            (attempt(Some(0), None, "SN1"), Some(own), "SN1", Some(Architecture::UefiX64)),
            (attempt(None, Some(Uuid::max()), ""), Some(own), "SN1", Some(Architecture::UefiX64)),
        ] {
            machine.learn(&told);
            assert_eq!(
                (machine.uuid, machine.serial.as_str(), machine.architecture),
                (uuid, serial, architecture)
            );
        }
    }
}
