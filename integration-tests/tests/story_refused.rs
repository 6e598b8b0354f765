//! A rack that cannot do what it is told says why, goes on with what it had, and heals when the reason is gone.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, DNS, SEGMENT_A, Wishes},
    machine::Client,
    swarm::inside,
    until,
};
use std::{net::UdpSocket, time::Duration};

#[test]
fn an_interface_that_is_gone_is_named() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("ref")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    let rack = centre.racks[0].node.clone();
    let (running, told) = centre.machine("a1", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), [DNS]);
    drop(running);

    rack.run(&["ip", "link", "set", "seg", "down"])?;
    rack.run(&["ip", "link", "set", "seg", "name", "away"])?;
    let refused = ends(&centre, "10.77.0.54", "--wait")?;
    assert_eq!(refused.0, Some(4), "{}", refused.1);
    for word in ["refused", "rack1", "interface"] {
        assert!(refused.1.contains(word), "{}", refused.1);
    }

    rack.run(&["ip", "link", "set", "away", "name", "seg"])?;
    rack.run(&["ip", "link", "set", "seg", "up"])?;
    // The rack looks at its interfaces each second.
    let mut attempts = 60..;
    let healed = until(PATIENCE, "it heals", || {
        let dns = format!("10.77.0.{}", attempts.next().context("a number")?);
        Ok((ends(&centre, &dns, "--wait")?.0 == Some(0)).then_some(dns))
    })?;
    let (_running, told) = centre.machine("a2", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), [healed]);

    // A rack that is away is another matter than one that refuses.
    centre.racks[1].kill()?;
    let away = ends(&centre, "10.77.0.56", "--wait=5")?;
    assert_eq!(away.0, Some(5), "{}", away.1);
    for word in ["unreachable", "rack2"] {
        assert!(away.1.contains(word), "{}", away.1);
    }
    // Nor is one that is let in no more.
    centre.region.hostler(&["rack", "revoke", "rack1", "--yes"])?;
    until(PATIENCE, "the revoked rack's stream has ended", || {
        let rack = centre.region.json(&["rack", "get", "rack1"])?;
        Ok((rack["revoked"] == true && rack["connected"] == false).then_some(()))
    })?;
    // It goes on serving what it has.
    let (_running, told) = centre.machine("a3", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), ["10.77.0.56"]);
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

const PATIENCE: Duration = Duration::from_secs(60);

/// How `hostler ... --wait` ends: its exit code, and what it says.
fn ends(centre: &Centre, dns: &str, wait: &str) -> anyhow::Result<(Option<i32>, String)> {
    let words = ["subnet", "update", "10.77.0.0/16", "--dns-servers", dns, wait];
    let output = centre.region.cli(&words)?.output()?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

fn change(centre: &Centre, dns: &str) -> anyhow::Result<String> {
    let words = ["subnet", "update", "10.77.0.0/16", "--dns-servers", dns];
    centre.region.hostler_wait(&words)
}
