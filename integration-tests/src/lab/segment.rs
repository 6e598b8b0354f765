//! The smallest network that a rack serves: one switch, the rack's node, and whoever is plugged in.

use super::{
    Cable, Lab, Node,
    machine::{INTERFACE, Machine},
};

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

    fn plug(&self, node: &Node, addresses: &[&str]) -> anyhow::Result<()> {
        self.lab.plug(node, INTERFACE, Cable { on: &self.switches, switch: SWITCH, addresses })
    }
}
