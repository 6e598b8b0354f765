//! One rack without a region, one switch, one machine with real firmware.

use super::{Board, Firmware, Metal};
use crate::lab::{
    rack::Rack,
    segment::{BootSetup, RACK, SWITCH, Segment},
    until,
};
use anyhow::ensure;
use std::{io::Write, time::Duration};

/// Emulated, a machine takes 7 to 20 s to its loader on an idle computer, and several times that on one that builds.
pub const WITHIN: Duration = Duration::from_secs(300);

pub const BOARD: Board<'static> = Board {
    name: "n1",
    mac: "52:54:00:77:00:01",
    uuid: "8a7e1c00-0000-4000-8000-525400770001",
    serial: "SN-4711",
};

pub struct Stage {
    pub segment: Segment,
    firmware: Firmware,
}

/// What the rack serves.
#[derive(Clone, Copy, Default)]
pub struct Setup<'a> {
    /// More of the subnet's configuration, as TOML.
    pub subnet: &'a str,
    /// More of the VLAN's.
    pub vlan: &'a str,
    /// Boot files: path, and where the content is.
    pub files: &'a [(&'a str, &'a str)],
    /// Architecture and path.
    pub loaders: &'a [(&'a str, &'a str)],
    /// What machine n1 boots, as TOML: `script = {..}`, `kernel = {..}`, `local-disk = {}`.
    pub target: &'a str,
}

impl Stage {
    /// None, said loudly, without root or without this firmware; `HOSTLER_REQUIRE_ROOT=1` makes that an error.
    pub fn set(story: &str, firmware: Firmware) -> anyhow::Result<Option<Self>> {
        let Some(segment) = Segment::open(story)? else { return Ok(None) };
        if !firmware.is_installed() {
            let required = std::env::var("HOSTLER_REQUIRE_ROOT").is_ok_and(|value| value == "1");
            ensure!(!required, "{firmware:?} is not installed; `deploy/test --only boot` does it");
            // Not eprintln!, which the test harness swallows.
            writeln!(
                std::io::stderr(),
                "\n*** SKIPPED {story}: {firmware:?} is not installed ***\n"
            )?;
            return Ok(None);
        }
        Ok(Some(Self { segment, firmware }))
    }

    /// A file of the story's own; where it is.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<String> {
        self.segment.file(name, content)
    }

    /// Starts the rack and waits until it serves.
    pub fn rack(&self, setup: &Setup<'_>) -> anyhow::Result<Rack> {
        let Segment { lab, rack, .. } = &self.segment;
        let mut rack = Rack::alone(lab, "rack", rack, &configuration(setup))?;
        rack.start()?;
        until(WITHIN, "the rack serves by HTTP", || {
            let asked = format!("http://{RACK}:7280/boot/script?mac=52:54:00:00:00:99");
            rack.node.run(&["curl", "-sfo", "/dev/null", &asked]).map(Some)
        })?;
        Ok(rack)
    }

    pub fn switch_on(&self) -> anyhow::Result<Metal> {
        let Segment { lab, switches, .. } = &self.segment;
        self.firmware.switch_on(lab, (switches, SWITCH), &BOARD)
    }
}

fn configuration(setup: &Setup<'_>) -> String {
    let Setup { subnet, vlan, files, loaders, target } = *setup;
    let mac = BOARD.mac;
    let boot = format!(
        r#"
machines = [{{ name = "n1", macs = ["{mac}"], profile = "own" }}]
profiles = [{{ name = "own", {target} }}]
"#
    );
    let vlan = format!("role = \"primary\"\n{vlan}");
    BootSetup { vlan: &vlan, subnet, files, loaders, boot: &boot }.toml()
}
