//! A region with 5,000 subnets, 100,000 leases and 1,000 machines.

use crate::{
    lab::region::Region,
    link_bench::{
        facts::Source,
        operator::{Operator, connect},
    },
};
use anyhow::Context;
use proto::v1::{
    self, machines_client::MachinesClient, ranges_client::RangesClient,
    reservations_client::ReservationsClient, subnets_client::SubnetsClient,
};

pub(super) const LEASES: u64 = 100_000;
const SUBNETS: u32 = 5_000;
const MACHINES: u32 = 1_000;
/// Their VLANs, each served by the rack.
const VLANS: u32 = 100;
const FIRST_VLAN: u32 = 100;
/// Each a /24 of 10.0.0.0/8.
const FIRST: u32 = 0x0a00_0000;
/// One of them, with a range and reservations and without a lease.
pub(super) const MAPPED: &str = "10.1.1.0/24";
/// All its addresses are leased.
pub(super) const FULL: &str = "100.64.0.0/20";
/// As many in the next.
pub(super) const TAIL: &str = "100.64.16.0/20";
/// A third of all leases, which come last.
pub(super) const LARGE: &str = "100.65.0.0/16";
/// Where leases are: one twice as large after the other.
const OF_LEASES: &[&str] = &[
    FULL,
    TAIL,
    "100.64.32.0/19",
    "100.64.64.0/18",
    "100.64.128.0/17",
    LARGE,
    "100.66.0.0/15",
    "100.68.0.0/14",
    "100.72.0.0/13",
];

/// For the rack that tells of leases.
pub(super) fn token(region: &Region) -> anyhow::Result<String> {
    region.hostler(&["fabric", "create", "--name", "dc1"])?;
    region.hostler(&["vlan", "create", "--fabric", "dc1", "--vid", "30"])?;
    let made = region.json(&["rack", "token", "create", "--name", "source"])?;
    Ok(made["secret"].as_str().context("a secret")?.to_owned())
}

/// The rack that told of the leases, and can tell of more.
pub(super) async fn fill(region: &Region, token: &str) -> anyhow::Result<Source> {
    let operator = connect(region).await?;
    let vlan = v1::GetRequest { id: "dc1/30".into() };
    let vlan = v1::vlans_client::VlansClient::new(operator.clone()).get(vlan).await?.into_inner();
    let vlan = vlan.meta.context("a saved VLAN")?.id;
    for cidr in OF_LEASES {
        subnet(&operator, "dc1/30", cidr, "").await?;
    }
    range(&operator, FULL, "100.64.0.1", "100.64.15.254").await?;
    range(&operator, LARGE, "100.65.0.1", "100.65.255.254").await?;
    let mut source = Source::open(0, token, &vlan).await?;
    source.bind(LEASES).await?;
    vlans(&operator).await?;
    for number in 0..SUBNETS {
        let [a, b, c, _] = (FIRST + (number << 8)).to_be_bytes();
        let vlan = format!("dc1/{}", FIRST_VLAN + number % VLANS);
        let note = format!("row {}, room {}", number % 97, number / 97);
        subnet(&operator, &vlan, &format!("{a}.{b}.{c}.0/24"), &note).await?;
    }
    range(&operator, MAPPED, "10.1.1.100", "10.1.1.250").await?;
    reservations(&operator).await?;
    machines(&operator).await?;
    Ok(source)
}

async fn vlans(operator: &Operator) -> anyhow::Result<()> {
    let mut vlans = v1::vlans_client::VlansClient::new(operator.clone());
    for number in 0..VLANS {
        let item = v1::Vlan {
            fabric: "dc1".into(),
            vid: FIRST_VLAN + number,
            primary_rack: "source".into(),
            ..v1::Vlan::default()
        };
        vlans.create(v1::CreateVlanRequest { item: Some(item), ..Default::default() }).await?;
    }
    Ok(())
}

async fn subnet(operator: &Operator, vlan: &str, cidr: &str, note: &str) -> anyhow::Result<()> {
    let item = v1::Subnet {
        vrf: "default".into(),
        vlan: vlan.into(),
        cidr: cidr.into(),
        note: note.into(),
        ..v1::Subnet::default()
    };
    let request = v1::CreateSubnetRequest { item: Some(item), ..Default::default() };
    SubnetsClient::new(operator.clone()).create(request).await?;
    Ok(())
}

async fn range(operator: &Operator, subnet: &str, first: &str, last: &str) -> anyhow::Result<()> {
    let item = v1::Range {
        subnet: subnet.into(),
        first: first.into(),
        last: last.into(),
        dynamic: true,
        ..v1::Range::default()
    };
    let request = v1::CreateRangeRequest { item: Some(item), ..Default::default() };
    RangesClient::new(operator.clone()).create(request).await?;
    Ok(())
}

async fn reservations(operator: &Operator) -> anyhow::Result<()> {
    let mut reservations = ReservationsClient::new(operator.clone());
    for number in 10..90 {
        let item = v1::Reservation {
            subnet: MAPPED.into(),
            address: format!("10.1.1.{number}"),
            mac: format!("02:5c:00:00:00:{number:02x}"),
            host_name: format!("db{number}"),
            ..v1::Reservation::default()
        };
        let request = v1::CreateReservationRequest { item: Some(item), ..Default::default() };
        reservations.create(request).await?;
    }
    Ok(())
}

async fn machines(operator: &Operator) -> anyhow::Result<()> {
    let mut machines = MachinesClient::new(operator.clone());
    for number in 0..MACHINES {
        let item = v1::Machine { name: format!("m{number:04}"), ..v1::Machine::default() };
        let [.., high, low] = number.to_be_bytes();
        let mac = format!("02:5d:00:00:{high:02x}:{low:02x}");
        let request = v1::CreateMachineRequest { item: Some(item), mac, ..Default::default() };
        machines.create(request).await?;
    }
    Ok(())
}
