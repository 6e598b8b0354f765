use common::{
    Id, MacAddr, RackId, Refusal, Timestamp,
    rack_config::boot::Architecture,
    report::{self, BootOutcome, BootStep},
};
use std::{fmt, str::FromStr};

use crate::{Machine, Rack, Vlan};

/// One time that a machine booted from the network. Region only mirrors it: the rack that saw it owns it.
#[derive(Clone, Debug, PartialEq)]
pub struct BootAttempt {
    pub mac: MacAddr,
    pub machine: Option<Id<Machine>>,
    pub vlan: Option<Id<Vlan>>,
    pub rack: Option<Id<Rack>>,
    pub architecture: String,
    pub uuid: String,
    pub serial: String,
    pub outcome: Outcome,
    /// The newest step; empty before the first.
    pub stage: String,
    pub cause: String,
    pub started_at: Option<Timestamp>,
    pub heard_at: Option<Timestamp>,
    pub stages: Vec<Stage>,
}

/// A stage of a boot, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage(pub report::BootStage);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Running,
    Finished,
    Stalled,
}

impl BootAttempt {
    /// What a rack said of it; the times are region's already.
    pub fn told(
        rack: RackId,
        told: &report::BootAttempt,
        machine: Option<Id<Machine>>,
        vlan: Option<Id<Vlan>>,
    ) -> Self {
        let stages: Vec<Stage> = told.stages.iter().map(Stage::told).collect();
        let last = stages.last();
        let (outcome, cause) = match &told.outcome {
            BootOutcome::Running => (Outcome::Running, ""),
            BootOutcome::Finished => (Outcome::Finished, ""),
            BootOutcome::Stalled { cause } if cause.is_empty() => {
                (Outcome::Stalled, likely_cause(last.map(|last| last.0.step)))
            }
            BootOutcome::Stalled { cause } => (Outcome::Stalled, cause.as_str()),
        };
        Self {
            mac: told.mac,
            machine,
            vlan,
            rack: Some(rack.cast()),
            architecture: told.architecture.map(architecture).unwrap_or_default(),
            uuid: told.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            serial: printable(&told.serial),
            outcome,
            stage: last.map(|last| name(last.0.step).to_owned()).unwrap_or_default(),
            cause: printable(cause),
            started_at: stages.first().map(|first| first.0.at),
            heard_at: last.map(|last| last.0.at),
            stages,
        }
    }

    /// How long it took or takes until now.
    pub fn micros(&self) -> i64 {
        let micros = |at: Option<Timestamp>| at.map_or(0, Timestamp::micros);
        micros(self.heard_at).saturating_sub(micros(self.started_at))
    }
}

/// Of a boot that came this far and no further, where its rack has no better word for it.
fn likely_cause(last: Option<BootStep>) -> &'static str {
    match last {
        None | Some(BootStep::Discover) => {
            "it was made no offer: no address is left, or none is for it"
        }
        Some(BootStep::Offer) => {
            "it never asked for its loader: the offer does not reach it, or names none for its architecture"
        }
        Some(BootStep::LoaderRequested) => {
            "its loader was not sent whole: no answer to TFTP reaches it, or the file is missing"
        }
        Some(BootStep::LoaderDone) => {
            "its loader was sent whole and never went on: Secure Boot refuses it, or it is of another architecture"
        }
        Some(BootStep::Script) => {
            "it asked for nothing that its script names: a file is missing, or the script waits"
        }
        Some(BootStep::Kernel) => {
            "its kernel or what goes with it was not sent whole: a file is missing, or memory is short"
        }
        Some(BootStep::Initrd) => {
            "its system was never heard of: it has no driver for this network, or ended as it started"
        }
        Some(BootStep::System) => "its system was heard of and fell silent",
    }
}

/// As option 93 tells it.
fn architecture(code: u16) -> String {
    Architecture::from_code(code)
        .map_or_else(|| format!("0x{code:04x}"), |(architecture, _)| architecture.to_string())
}

/// A stranger's text as no terminal, log or page takes it for more, and as one line.
fn printable(text: &str) -> String {
    text.chars().map(|own| if own.is_control() { '\u{fffd}' } else { own }).collect()
}

const STEPS: [(BootStep, &str); 8] = [
    (BootStep::Discover, "discover"),
    (BootStep::Offer, "offer"),
    (BootStep::LoaderRequested, "loader-requested"),
    (BootStep::LoaderDone, "loader-done"),
    (BootStep::Script, "script"),
    (BootStep::Kernel, "kernel"),
    (BootStep::Initrd, "initrd"),
    (BootStep::System, "system"),
];

fn name(step: BootStep) -> &'static str {
    STEPS.iter().find(|(own, _)| *own == step).map_or("", |(_, name)| name)
}

fn step(name: &str) -> Result<BootStep, Refusal> {
    let found = STEPS.iter().find(|(_, own)| *own == name).map(|(step, _)| *step);
    found.ok_or_else(|| {
        let names: Vec<&str> = STEPS.iter().map(|(_, name)| *name).collect();
        Refusal::new(format!("must be one of {}", names.join(", ")))
    })
}

impl Stage {
    fn told(told: &report::BootStage) -> Self {
        Self(report::BootStage { detail: printable(&told.detail), ..told.clone() })
    }

    pub fn step(&self) -> &'static str {
        name(self.0.step)
    }
}

/// One line: step, microseconds, bytes, and the rest is detail.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report::BootStage { step, at, detail, bytes } = &self.0;
        write!(f, "{} {} {bytes} {detail}", name(*step), at.micros())
    }
}

impl FromStr for Stage {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::new("must be STEP MICROSECONDS BYTES DETAIL");
        let mut parts = text.splitn(4, ' ');
        let mut part = || parts.next().ok_or_else(refusal);
        let step = step(part()?)?;
        let at = part()?.parse().map(Timestamp::from_micros).map_err(|_| refusal())?;
        let bytes = part()?.parse().map_err(|_| refusal())?;
        let detail = part()?.to_owned();
        Ok(Self(report::BootStage { step, at, detail, bytes }))
    }
}

const OUTCOMES: [(Outcome, &str); 3] =
    [(Outcome::Running, "running"), (Outcome::Finished, "finished"), (Outcome::Stalled, "stalled")];

impl FromStr for Outcome {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let found = OUTCOMES.iter().find(|(_, name)| *name == text).map(|(outcome, _)| *outcome);
        found.ok_or_else(|| Refusal::new("must be running, finished or stalled"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = OUTCOMES.iter().find(|(outcome, _)| outcome == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(step: BootStep, seconds: i64, detail: &str) -> report::BootStage {
        report::BootStage {
            step,
            at: Timestamp::from_seconds(seconds),
            detail: detail.into(),
            bytes: 7,
        }
    }

    fn told(stages: Vec<report::BootStage>, architecture: Option<u16>) -> report::BootAttempt {
        report::BootAttempt {
            number: 1,
            id: "0190a5f0-0000-7000-8000-000000000001".parse().unwrap(),
            vlan: Id::new("0190a5f0-0000-7000-8000-000000000002".parse().unwrap()),
            mac: "52:54:00:12:34:56".parse().unwrap(),
            machine: None,
            architecture,
            uuid: None,
            serial: "S\x1b[1".into(),
            stages,
            outcome: BootOutcome::Stalled { cause: "no answer\nto TFTP".into() },
        }
    }

    #[test]
    fn what_is_kept_is_one_line_each_and_reads_the_same_again() {
        for (step, _) in STEPS {
            for detail in ["", "ipxe/snponly.efi", "two words  and more "] {
                let own = Stage(stage(step, 5, detail));
                assert_eq!(own.to_string().parse(), Ok(own));
            }
        }
        for wrong in ["", "offer", "offer 1", "offer 1 2", "offer x 2 ", "nothing 1 2 x"] {
            assert!(wrong.parse::<Stage>().is_err(), "{wrong}");
        }
        for outcome in [Outcome::Running, Outcome::Finished, Outcome::Stalled] {
            assert_eq!(outcome.to_string().parse(), Ok(outcome));
        }
    }

    #[test]
    fn what_a_rack_tells_is_kept_without_control_characters() {
        let stages = vec![stage(BootStep::Discover, 5, "a\nb"), stage(BootStep::Offer, 7, "")];
        let rack = RackId::new("0190a5f0-0000-7000-8000-000000000003".parse().unwrap());
        for (code, expected) in [(Some(7), "uefi-x64"), (Some(0x1234), "0x1234"), (None, "")] {
            let own = BootAttempt::told(rack, &told(stages.clone(), code), None, None);
            assert_eq!(own.architecture, expected);
            assert_eq!(
                (own.stage.as_str(), own.outcome, own.micros()),
                ("offer", Outcome::Stalled, 2_000_000)
            );
            assert_eq!([own.serial, own.cause], ["S\u{fffd}[1", "no answer\u{fffd}to TFTP"]);
            assert_eq!(own.stages[0].0.detail, "a\u{fffd}b");
        }
    }
}
