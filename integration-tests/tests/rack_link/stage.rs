//! One rack, one region of the test's own, one segment with clients.

use anyhow::Context;
use common::{Epoch, Generation};
use hostler_integration_tests::{
    fake_region::{FakeRegion, LIMIT, Session},
    lab::{
        Cable, Lab, Node,
        machine::INTERFACE,
        rack::Rack,
        swarm::{Swarm, inside},
    },
};
use prost::Message;
use proto::v1;
use std::net::TcpListener;

/// Made of its name, as any UUID would do.
pub(crate) const VLAN: &str = "0190a5f0-0000-7000-8000-000000000010";
pub(crate) const SCOPE: &str = "dhcp/0190a5f0-0000-7000-8000-000000000010";
pub(crate) const EPOCH: u64 = 1_700_000_000;
const RACK: &str = "10.66.0.1/16";

pub(crate) struct Stage {
    // In the order in which they must go: processes before namespaces.
    pub(crate) rack: Rack,
    pub(crate) region: FakeRegion,
    pub(crate) region_node: Node,
    pub(crate) rack_node: Node,
    switches: Node,
    pub(crate) lab: Lab,
}

impl Stage {
    /// None, said loudly, without the right to make namespaces. The rack has not joined.
    pub(crate) fn set(name: &str) -> anyhow::Result<Option<Self>> {
        let Some(lab) = Lab::open(name)? else { return Ok(None) };
        let (switches, region_node, rack_node) =
            (lab.node("sw")?, lab.node("region")?, lab.node("rack")?);
        for switch in ["brM", "brA"] {
            lab.switch(&switches, switch)?;
        }
        let cable = |switch, addresses| Cable { on: &switches, switch, addresses };
        lab.plug(&region_node, "mgmt", cable("brM", &["198.18.0.1/24", "fd18::1/64"]))?;
        lab.plug(&rack_node, "mgmt", cable("brM", &["198.18.0.11/24", "fd18::11/64"]))?;
        lab.plug(&rack_node, "seg", cable("brA", &[RACK]))?;
        let region = Self::region(&region_node, "198.18.0.1:7241")?;
        let rack = Rack::install(&lab, "rack", &rack_node, "")?;
        Ok(Some(Self { rack, region, region_node, rack_node, switches, lab }))
    }

    pub(crate) fn region(node: &Node, at: &str) -> anyhow::Result<FakeRegion> {
        let listener = inside(node, || Ok(TcpListener::bind(at)?))?;
        FakeRegion::start(listener)
    }

    /// With the rack joined and running; its first stream, not yet greeted.
    pub(crate) async fn begin(name: &str) -> anyhow::Result<Option<(Self, Session)>> {
        let Some(mut stage) = Self::set(name)? else { return Ok(None) };
        stage.join("first")?;
        stage.rack.start()?;
        let session = stage.region.session().await?;
        Ok(Some((stage, session)))
    }

    pub(crate) fn join(&self, secret: &str) -> anyhow::Result<String> {
        let token = self.region.token(secret).encode();
        self.rack.own(&["join", "--name", "rack", token.expose()])
    }

    /// Hundreds of clients on the rack's segment.
    pub(crate) fn clients(&self, family: u8, count: u16) -> anyhow::Result<Swarm> {
        let node = self.lab.node(&format!("s{family}"))?;
        let cable = Cable { on: &self.switches, switch: "brA", addresses: &[] };
        self.lab.plug(&node, INTERFACE, cable)?;
        Swarm::new(&node, family, count)
    }

    /// Serves the segment by the first generation, and waits until it does.
    pub(crate) async fn serve(&self, session: &mut Session) -> anyhow::Result<()> {
        session.offer(SCOPE, at(1), serving()).await?;
        applied(session, at(1)).await
    }
}

pub(crate) fn at(number: u64) -> Generation {
    Generation { epoch: Epoch(EPOCH), number }
}

/// The segment's VLAN with this in place of its one subnet's prefix.
pub(crate) fn scope(role: v1::RackRole, prefix: &str) -> Vec<u8> {
    let range = v1::AddressRange { first: "10.66.16.0".into(), last: "10.66.255.254".into() };
    let subnet = v1::DhcpSubnet {
        id: "0190a5f0-0000-7000-8000-000000000011".into(),
        prefix: prefix.into(),
        ranges: if prefix == "10.66.0.0/16" { vec![range] } else { Vec::new() },
        ..v1::DhcpSubnet::default()
    };
    let vlan = v1::DhcpVlan {
        id: VLAN.into(),
        name: "dc1/10".into(),
        role: role.into(),
        subnets: vec![subnet],
        proxy: false,
    };
    let scope = v1::scope_config::Scope::Dhcp(vlan);
    v1::ScopeConfig { scope: Some(scope) }.encode_to_vec()
}

pub(crate) fn serving() -> Vec<u8> {
    scope(v1::RackRole::Primary, "10.66.0.0/16")
}

pub(crate) async fn applied(session: &mut Session, at: Generation) -> anyhow::Result<()> {
    let wanted = Some(at.into());
    let status = session.scope_status(|status| status.offered == wanted).await?;
    let verdict = status.verdict.context("a verdict")?;
    anyhow::ensure!(verdict.kind() == v1::VerdictKind::Applied, "{verdict:?}");
    assert_eq!(status.good, wanted);
    Ok(())
}

/// Waits until this generation is what serves, whatever is refused on the way there.
pub(crate) async fn serves(session: &mut Session, at: Generation) -> anyhow::Result<()> {
    let wanted = Some(at.into());
    session.scope_status(|status| status.good == wanted).await.map(drop)
}

pub(crate) const PATIENCE: std::time::Duration = LIMIT;
