//! Region is reached over IPv6, and by a name.

use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, SEGMENT_A, Wishes},
    machine::Client,
};
use std::{fs, path::Path, time::Duration};

#[test]
fn region_is_reached_over_ipv6() -> anyhow::Result<()> {
    reached_at("ip6", "fd18::1")
}

#[test]
fn region_is_reached_by_name() -> anyhow::Result<()> {
    reached_at("nam", "region.lab.example")
}

fn reached_at(story: &str, address: &str) -> anyhow::Result<()> {
    let Some(lab) = Lab::open(story)? else { return Ok(()) };
    let wires = Centre::wire(&lab)?;
    for node in [&wires.region, &wires.racks[0], &wires.racks[1]] {
        let hosts = Path::new("/etc/netns").join(node.namespace()).join("hosts");
        fs::write(hosts, "127.0.0.1 localhost\n198.18.0.1 region.lab.example\n")?;
    }
    let wishes = Wishes { reached_at: Some(address), ..Wishes::default() };
    let centre = Centre::furnish(lab, wires, wishes)?;
    let watch = centre.region.watch("events", "event")?;
    let (_running, told) = centre.machine("a1", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    watch.sees_lease(told.address()?, Duration::from_secs(1)).map(drop)
}
