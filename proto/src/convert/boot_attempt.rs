//! Boot attempts, as facts.

use common::{
    Timestamp,
    report::{BootAttempt, BootOutcome, BootStage, BootStep},
};

use super::path::{Reading, Refused};
use crate::v1;

/// A machine's name for itself is kept to this many bytes.
const LONGEST_SERIAL: usize = 128;
const LONGEST_DETAIL: usize = 1024;
/// More than any boot has: a kernel may come with many initrds.
const MOST_STAGES: usize = 64;

impl From<BootStep> for v1::BootStep {
    fn from(own: BootStep) -> Self {
        match own {
            BootStep::Discover => Self::Discover,
            BootStep::Offer => Self::Offer,
            BootStep::LoaderRequested => Self::LoaderRequested,
            BootStep::LoaderDone => Self::LoaderDone,
            BootStep::Script => Self::Script,
            BootStep::Kernel => Self::Kernel,
            BootStep::Initrd => Self::Initrd,
            BootStep::System => Self::System,
        }
    }
}

fn step_from_wire(wire: v1::BootStep) -> Option<BootStep> {
    Some(match wire {
        v1::BootStep::Unspecified => return None,
        v1::BootStep::Discover => BootStep::Discover,
        v1::BootStep::Offer => BootStep::Offer,
        v1::BootStep::LoaderRequested => BootStep::LoaderRequested,
        v1::BootStep::LoaderDone => BootStep::LoaderDone,
        v1::BootStep::Script => BootStep::Script,
        v1::BootStep::Kernel => BootStep::Kernel,
        v1::BootStep::Initrd => BootStep::Initrd,
        v1::BootStep::System => BootStep::System,
    })
}

impl From<&BootAttempt> for v1::BootFact {
    fn from(own: &BootAttempt) -> Self {
        let (outcome, cause) = match &own.outcome {
            BootOutcome::Running => (v1::BootOutcome::Running, String::new()),
            BootOutcome::Finished => (v1::BootOutcome::Finished, String::new()),
            BootOutcome::Stalled { cause } => (v1::BootOutcome::Stalled, cause.clone()),
        };
        let stages = own.stages.iter().map(|stage| v1::BootStage {
            step: v1::BootStep::from(stage.step).into(),
            at: stage.at.micros(),
            detail: stage.detail.clone(),
            bytes: stage.bytes,
        });
        Self {
            number: own.number,
            id: own.id.to_string(),
            vlan: own.vlan.to_string(),
            mac: own.mac.to_string(),
            machine: own.machine.map(|machine| machine.to_string()).unwrap_or_default(),
            architecture: own.architecture.map(u32::from),
            uuid: own.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            serial: own.serial.clone(),
            stages: stages.collect(),
            outcome: outcome.into(),
            cause,
        }
    }
}

impl TryFrom<v1::BootFact> for BootAttempt {
    type Error = Refused;

    fn try_from(wire: v1::BootFact) -> Result<Self, Refused> {
        let mut reading = Reading::new("");
        let id = reading.parse("id", &wire.id, "must be a UUID");
        let vlan = reading.parse("vlan", &wire.vlan, "must be a UUID");
        let mac = reading.check("mac", &wire.mac, wire.mac.parse());
        let machine = reading.optional("machine", &wire.machine, "must be a UUID");
        let architecture = wire.architecture.and_then(|code| {
            let narrow = u16::try_from(code).ok();
            if narrow.is_none() {
                reading.object("architecture", code, "must be below 65536");
            }
            narrow
        });
        let uuid = reading.optional("uuid", &wire.uuid, "must be a UUID");
        if wire.serial.len() > LONGEST_SERIAL {
            reading.object("serial", &wire.serial, "must be at most 128 bytes");
        }
        let outcome = match wire.outcome() {
            v1::BootOutcome::Running => Some(BootOutcome::Running),
            v1::BootOutcome::Finished => Some(BootOutcome::Finished),
            v1::BootOutcome::Stalled => Some(BootOutcome::Stalled { cause: wire.cause.clone() }),
            v1::BootOutcome::Unspecified => {
                reading.object("outcome", wire.outcome, "is none that this version knows");
                None
            }
        };
        let stages = stages_from_wire(wire.stages, &mut reading);
        let (number, serial) = (wire.number, wire.serial);
        match (id, vlan, mac, outcome) {
            (Some(id), Some(vlan), Some(mac), Some(outcome)) if reading.objections.is_empty() => {
                Ok(Self {
                    number,
                    id,
                    vlan,
                    mac,
                    machine,
                    architecture,
                    uuid,
                    serial,
                    stages,
                    outcome,
                })
            }
            _ => Err(Refused(reading.objections)),
        }
    }
}

fn stages_from_wire(wire: Vec<v1::BootStage>, reading: &mut Reading) -> Vec<BootStage> {
    if wire.len() > MOST_STAGES {
        reading.object("stages", wire.len(), "must be at most 64");
        return Vec::new();
    }
    let mut stages = Vec::with_capacity(wire.len());
    for (at, stage) in wire.into_iter().enumerate() {
        let mut below = reading.below("stages", at);
        let step = step_from_wire(stage.step());
        if step.is_none() {
            below.object("step", stage.step, "is none that this version knows");
        }
        if stage.detail.len() > LONGEST_DETAIL {
            below.object("detail", stage.detail.len(), "must be at most 1024 bytes");
        }
        let at = Timestamp::from_micros(stage.at);
        let (detail, bytes) = (stage.detail, stage.bytes);
        stages.extend(step.map(|step| BootStage { step, at, detail, bytes }));
        reading.take(below);
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a5f0-0000-7000-8000-000000000001";

    #[test]
    fn attempts_survive_the_crossing() {
        let stage = |step, seconds, detail: &str, bytes| BootStage {
            step,
            at: Timestamp::from_seconds(seconds),
            detail: detail.into(),
            bytes,
        };
        let attempt = BootAttempt {
            number: 3,
            id: ID.parse().unwrap(),
            vlan: ID.parse().unwrap(),
            mac: "52:54:00:12:34:56".parse().unwrap(),
            machine: Some(ID.parse().unwrap()),
            architecture: Some(7),
            uuid: None,
            serial: "X1".into(),
            stages: vec![
                stage(BootStep::Discover, 1, "", 0),
                stage(BootStep::LoaderDone, 2, "ipxe/snponly.efi", 200_000),
            ],
            outcome: BootOutcome::Stalled { cause: "the loader never asked for its script".into() },
        };
        assert_eq!(BootAttempt::try_from(v1::BootFact::from(&attempt)), Ok(attempt));
    }

    #[test]
    fn strangers_attempts_are_refused_field_by_field() {
        let wire = v1::BootFact {
            architecture: Some(1 << 16),
            serial: "x".repeat(129),
            stages: vec![v1::BootStage { detail: "x".repeat(1025), ..Default::default() }],
            ..Default::default()
        };
        let refused = BootAttempt::try_from(wire).unwrap_err();
        let fields: Vec<_> = refused.0.iter().map(|one| one.field.as_str()).collect();
        let expected = [
            "id",
            "vlan",
            "mac",
            "architecture",
            "serial",
            "outcome",
            "stages[0].step",
            "stages[0].detail",
        ];
        assert_eq!(fields, expected);
    }
}
