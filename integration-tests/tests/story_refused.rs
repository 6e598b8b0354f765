//! A rack that cannot do what it is told says why, goes on with what it had, and heals when the reason is gone.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, DNS, SEGMENT_A, Wishes},
    machine::Client,
    swarm::inside,
};
use std::net::UdpSocket;

#[test]
fn an_interface_that_is_gone_is_named() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("ref")? else { return Ok(()) };
    let centre = Centre::build(lab, Wishes::default())?;
    let rack = &centre.racks[0];
    let (running, told) = centre.machine("a1", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), [DNS]);
    drop(running);

    rack.node.run(&["ip", "link", "set", "seg", "down"])?;
    rack.node.run(&["ip", "link", "set", "seg", "name", "away"])?;
    let refused = change(&centre, "10.77.0.54").expect_err("the interface is gone");
    let refused = format!("{refused:#}");
    for word in ["refused", "rack1", "interface"] {
        assert!(refused.contains(word), "{refused}");
    }

    rack.node.run(&["ip", "link", "set", "away", "name", "seg"])?;
    rack.node.run(&["ip", "link", "set", "seg", "up"])?;
    change(&centre, "10.77.0.55").context("it heals")?;
    let (_running, told) = centre.machine("a2", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), ["10.77.0.55"]);
    Ok(())
}

#[test]
fn a_port_that_is_taken_is_named() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("prt")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    centre.racks[0].kill()?;
    let other = inside(&centre.racks[0].node, || Ok(UdpSocket::bind(("0.0.0.0", 67))?))?;
    centre.racks[0].start()?;
    let status = centre.racks[0].shows("67")?;
    assert!(status.contains("refused") || status.contains("taken"), "{status}");

    drop(other);
    change(&centre, "10.77.0.54").context("it heals")?;
    let (_running, told) = centre.machine("a1", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), ["10.77.0.54"]);
    Ok(())
}

fn change(centre: &Centre, dns: &str) -> anyhow::Result<String> {
    let words = ["subnet", "update", "10.77.0.0/16", "--dns-servers", dns];
    centre.region.hostler_wait(&words)
}
