//! The smallest network that a rack serves: one switch, the rack's node, and whoever is plugged in.

use super::{
    Cable, Lab, Node,
    machine::{INTERFACE, Machine},
};
use std::fs;

pub struct Segment {
    pub switches: Node,
    /// Where the rack will be: nothing runs in it yet.
    pub rack: Node,
    pub lab: Lab,
}

pub const SWITCH: &str = "brA";
/// Of the rack.
pub const RACK: &str = "10.9.0.2";

impl Segment {
    /// As `Lab::open`.
    pub fn open(story: &str) -> anyhow::Result<Option<Self>> {
        let Some(lab) = Lab::open(story)? else { return Ok(None) };
        let (switches, rack) = (lab.node("sw")?, lab.node("rack")?);
        lab.switch(&switches, SWITCH)?;
        let segment = Self { switches, rack, lab };
        segment.plug(&segment.rack, &["10.9.0.2/16"])?;
        Ok(Some(segment))
    }

    /// Somebody in this network, 10.9.0.0/16.
    pub fn node(&self, name: &str, addresses: &[&str]) -> anyhow::Result<Node> {
        let node = self.lab.node(name)?;
        self.plug(&node, addresses)?;
        Ok(node)
    }

    /// A machine without an address.
    pub fn machine(&self, name: &str) -> anyhow::Result<Machine> {
        Machine::standing(self.lab.folder(), name, self.node(name, &[])?)
    }

    /// A file of the story's own; where it is.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<String> {
        let path = self.lab.folder().join(name);
        fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    fn plug(&self, node: &Node, addresses: &[&str]) -> anyhow::Result<()> {
        self.lab.plug(node, INTERFACE, Cable { on: &self.switches, switch: SWITCH, addresses })
    }
}

/// What a rack without a region serves here, its addresses apart.
#[derive(Clone, Copy, Default)]
pub struct BootSetup<'a> {
    /// More of the VLAN's configuration, as TOML.
    pub vlan: &'a str,
    /// More of the subnet's.
    pub subnet: &'a str,
    /// Boot files: path, and where the content is.
    pub files: &'a [(&'a str, &'a str)],
    /// Architecture and path.
    pub loaders: &'a [(&'a str, &'a str)],
    /// More of the boot configuration.
    pub boot: &'a str,
}

impl BootSetup<'_> {
    pub fn toml(&self) -> String {
        let Self { vlan, subnet, files, loaders, boot } = self;
        let files = files
            .iter()
            .map(|(path, source)| format!("{{ path = {path:?}, source = {source:?} }}"));
        let loaders = loaders
            .iter()
            .map(|(own, path)| format!("{{ architecture = {own:?}, path = {path:?} }}"));
        let (files, loaders) =
            (files.collect::<Vec<_>>().join(", "), loaders.collect::<Vec<_>>().join(", "));
        format!(
            r#"
[leases]
segment = 4
[[dhcp]]
name = "dc1/10"
{vlan}
[[dhcp.subnets]]
prefix = "10.9.0.0/16"
{subnet}
[boot.config]
files = [{files}]
loaders = [{loaders}]
{boot}
"#
        )
    }
}

/// So many bytes, no two parts of which are alike.
pub fn content(size: u64) -> Vec<u8> {
    (0..size).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8).collect()
}
