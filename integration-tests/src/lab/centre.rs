//! The data centre that most stories play in: a region, two racks on segment A, a router with a relay to segment B.
//!
//! | node | management | segment A | segment B |
//! |---|---|---|---|
//! | region | 198.18.0.1, fd18::1 | | |
//! | rack1 | 198.18.0.11, fd18::11 | 10.77.0.2 | |
//! | rack2 | 198.18.0.12, fd18::12 | 10.77.0.3 | |
//! | rtr | | 10.77.0.1 | 10.78.0.1 |

use super::{
    Cable, Lab, Node, Process,
    machine::{INTERFACE, Machine},
    rack::Rack,
    region::{Region, Settings},
    until,
};
use std::time::Duration;

pub const SEGMENT_A: &str = "brA";
pub const SEGMENT_B: &str = "brB";
pub const MANAGEMENT: &str = "brM";

/// Segments of the usual size would take 200 MB a rack.
const SMALL_LEASE_LOG: &str = "[leases]\nsegment = 4\n";

/// What clients are told at first; stories change it.
pub const DNS: &str = "10.77.0.53";

pub struct Centre {
    // In the order in which they must go: processes before namespaces.
    pub racks: Vec<Rack>,
    pub region: Region,
    relay: Option<Process>,
    pub router: Node,
    pub switches: Node,
    pub lab: Lab,
}

/// What a story may want otherwise.
#[derive(Clone, Default)]
pub struct Wishes<'a> {
    pub database: Option<&'a str>,
    /// Where racks and operators find region; 198.18.0.1 unless given.
    pub reached_at: Option<&'a str>,
    /// Where racks find region, if elsewhere.
    pub racks_at: &'a [&'a str],
    /// More lines for region's `[racks]` table.
    pub racks: &'a str,
    /// A cable from region to the host.
    pub host: Option<HostLink>,
    /// The story itself tells region what the network is.
    pub undescribed: bool,
}

/// A cable between region and the host, with an address at each end.
#[derive(Clone)]
pub struct HostLink {
    /// The host's end.
    pub interface: String,
    pub region: String,
    pub host: String,
}

impl Centre {
    /// The cables alone; region, database and racks are up to the story.
    pub fn wire(lab: &Lab) -> anyhow::Result<Wires> {
        let switches = lab.node("sw")?;
        for switch in [MANAGEMENT, SEGMENT_A, SEGMENT_B] {
            lab.switch(&switches, switch)?;
        }
        let node = |name: &str, cables: &[(&str, &str, &[&str])]| -> anyhow::Result<Node> {
            let node = lab.node(name)?;
            for (interface, switch, addresses) in cables {
                lab.plug(&node, interface, Cable { on: &switches, switch, addresses })?;
            }
            Ok(node)
        };
        let region = node("region", &[("mgmt", MANAGEMENT, &["198.18.0.1/24", "fd18::1/64"])])?;
        let mut racks = Vec::new();
        for (name, management, segment) in [
            ("rack1", ["198.18.0.11/24", "fd18::11/64"], ["10.77.0.2/16"]),
            ("rack2", ["198.18.0.12/24", "fd18::12/64"], ["10.77.0.3/16"]),
        ] {
            let rack =
                node(name, &[("mgmt", MANAGEMENT, &management), ("seg", SEGMENT_A, &segment)])?;
            rack.run(&["ip", "route", "add", "10.78.0.0/16", "via", "10.77.0.1"])?;
            racks.push(rack);
        }
        let router = node(
            "rtr",
            &[("sega", SEGMENT_A, &["10.77.0.1/16"]), ("segb", SEGMENT_B, &["10.78.0.1/16"])],
        )?;
        router.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"])?;
        Ok(Wires { switches, region, racks, router })
    }

    /// All of it, with both VLANs configured and served by rack1, and rack2 standing by.
    pub fn build(lab: Lab, wishes: Wishes<'_>) -> anyhow::Result<Self> {
        let wires = Self::wire(&lab)?;
        Self::furnish(lab, wires, wishes)
    }

    /// The same, between cables that are there.
    pub fn furnish(lab: Lab, wires: Wires, wishes: Wishes<'_>) -> anyhow::Result<Self> {
        let reached_at = wishes.reached_at.unwrap_or("198.18.0.1");
        if let Some(link) = &wishes.host {
            link.plug(wires.region.namespace())?;
        }
        let settings = Settings {
            name: "region",
            operators_at: wishes.host.as_ref().map_or(reached_at, |link| &link.region),
            racks_at: if wishes.racks_at.is_empty() { &[reached_at] } else { wishes.racks_at },
            database: wishes.database,
            key_of: None,
            racks: wishes.racks,
        };
        let region = Region::install(&lab, &wires.region, &settings)?;
        let mut centre = Self {
            racks: Vec::new(),
            region,
            relay: None,
            router: wires.router,
            switches: wires.switches,
            lab,
        };
        for (name, node) in ["rack1", "rack2"].iter().zip(&wires.racks) {
            let mut rack = Rack::install(&centre.lab, name, node, SMALL_LEASE_LOG)?;
            rack.join(&centre.region)?;
            rack.start()?;
            centre.racks.push(rack);
        }
        if !wishes.undescribed {
            centre.describe()?;
        }
        Ok(centre)
    }

    /// Tells region what the network is, the way an operator does.
    fn describe(&self) -> anyhow::Result<()> {
        let made = [
            "fabric create --name dc1",
            "vlan create --fabric dc1 --vid 10 --primary-rack rack1 --secondary-rack rack2",
            "vlan create --fabric dc1 --vid 20 --primary-rack rack1 --secondary-rack rack2",
            "subnet create --vrf default --vlan dc1/10 --cidr 10.77.0.0/16 --gateway 10.77.0.1 --dns-servers 10.77.0.53",
            "subnet create --vrf default --vlan dc1/20 --cidr 10.78.0.0/16 --gateway 10.78.0.1 --dns-servers 10.77.0.53",
            "range create --subnet 10.77.0.0/16 --first 10.77.16.0 --last 10.77.255.254 --dynamic=true",
            "range create --subnet 10.78.0.0/16 --first 10.78.16.0 --last 10.78.255.254 --dynamic=true --wait",
        ];
        for words in made {
            self.region.hostler(&words.split(' ').collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Relays what clients of segment B say to both racks, with option 82 added.
    pub fn relay(&mut self) -> anyhow::Result<()> {
        let mut command = self.router.command("dhcrelay");
        command.args(["-4", "-d", "-a", "-id", "segb", "-iu", "sega", "10.77.0.2", "10.77.0.3"]);
        let mut relay = Process::start("dhcrelay", self.lab.folder(), &mut command)?;
        relay.says("Sending on   Socket", Duration::from_secs(10))?;
        self.relay = Some(relay);
        Ok(())
    }

    /// Everything goes on when this value goes.
    pub fn keep(&mut self) {
        self.racks.iter_mut().for_each(Rack::keep);
        self.region.keep();
        self.relay.iter_mut().for_each(Process::keep);
        self.lab.keep();
    }

    /// A machine without an address, plugged into a segment.
    pub fn machine(&self, name: &str, segment: &str) -> anyhow::Result<Machine> {
        Machine::standing(self.lab.folder(), name, self.node(name, segment)?)
    }

    pub fn node(&self, name: &str, segment: &str) -> anyhow::Result<Node> {
        let node = self.lab.node(name)?;
        let cable = Cable { on: &self.switches, switch: segment, addresses: &[] };
        self.lab.plug(&node, INTERFACE, cable)?;
        Ok(node)
    }

    /// Waits until region knows exactly so many bound leases.
    pub fn leases_at_region(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        until(limit, &format!("region knows {count} leases"), || {
            let known = self.region.list("lease", "state=bound")?.len();
            Ok((known == count).then_some(()))
        })
    }
}

/// Nodes with their cables in.
pub struct Wires {
    pub switches: Node,
    pub region: Node,
    pub racks: Vec<Node>,
    pub router: Node,
}
