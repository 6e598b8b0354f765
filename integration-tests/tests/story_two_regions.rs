//! Two regions on one PostgreSQL; either is killed while a watcher follows it. The watcher misses nothing and sees nothing twice.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Cable, Lab, Node,
    centre::{Centre, SEGMENT_A, Wishes},
    ledger,
    postgres::Postgres,
    region::{Region, Settings},
    swarm::Swarm,
    until,
    watch::Watch,
};
use std::{collections::BTreeSet, time::Duration};

const DATABASE: &str = "postgres://postgres@198.18.0.9/postgres";
const ANSWERED: Duration = Duration::from_secs(90);

#[test]
fn a_watcher_follows_through_the_death_of_either() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("two")? else { return Ok(()) };
    let wires = Centre::wire(&lab)?;
    let more = |name: &str, address: &str| -> anyhow::Result<Node> {
        let (node, on) = (lab.node(name)?, &wires.switches);
        lab.plug(&node, "mgmt", Cable { on, switch: "brM", addresses: &[address] })?;
        Ok(node)
    };
    let (database, second) = (more("db", "198.18.0.9/24")?, more("region2", "198.18.0.2/24")?);
    let _postgres = Postgres::new(&database, lab.folder())?;
    let wishes = Wishes {
        database: Some(DATABASE),
        racks_at: &["198.18.0.1", "198.18.0.2"],
        ..Wishes::default()
    };
    let mut centre = Centre::furnish(lab, wires, wishes)?;
    let settings = Settings {
        name: "region2",
        operators_at: "198.18.0.2",
        racks_at: &["198.18.0.1", "198.18.0.2"],
        database: Some(DATABASE),
        key_of: Some(&centre.region),
        racks: "",
    };
    let mut second = Region::install(&centre.lab, &second, &settings)?;
    let watches = [centre.region.watch("events1", "event")?, second.watch("events2", "event")?];

    let node = centre.node("crowd", SEGMENT_A)?;
    let mut swarms = Vec::new();
    for family in 1..=3 {
        swarms.push(Swarm::new(&node_of(&centre, &node, family)?, family, 50)?);
    }
    swarms[0].bind(ANSWERED)?;
    centre.region.kill()?;
    swarms[1].bind(ANSWERED)?;
    centre.region.start()?;
    centre.region.ready()?;
    second.kill()?;
    swarms[2].bind(ANSWERED)?;
    second.start()?;
    second.ready()?;

    let leases: Vec<_> = swarms.iter().flat_map(Swarm::leases).collect();
    ledger::region_knows(&centre.region, &leases, ANSWERED)?;
    for watch in &watches {
        follows(watch, &centre.region)?;
    }
    // Whichever region holds the rack's stream, both can have a lease released.
    for (region, lease) in [&centre.region, &second].into_iter().zip(&leases) {
        released(region, &lease.address.to_string())?;
    }
    Ok(())
}

fn released(region: &Region, address: &str) -> anyhow::Result<()> {
    until(ANSWERED, "the rack's stream is with one of them", || {
        Ok(region.hostler(&["lease", "release", address, "--yes"]).ok())
    })?;
    until(ANSWERED, "the release is a fact", || {
        let lease = region.json(&["lease", "get", address])?;
        Ok((lease["state"] == "released").then_some(()))
    })
}

fn node_of(centre: &Centre, first: &Node, family: u8) -> anyhow::Result<Node> {
    if family == 1 { Ok(first.clone()) } else { centre.node(&format!("crowd{family}"), SEGMENT_A) }
}

/// Every event that there is, each once, in order.
fn follows(watch: &Watch, region: &Region) -> anyhow::Result<()> {
    let key = |event: &serde_json::Value| event["meta"]["key"].as_str().map(str::to_owned);
    until(ANSWERED, "the watcher has all events", || {
        let expected: Vec<_> = region.list("event", "")?.iter().filter_map(key).collect();
        let seen: Vec<_> = watch.lines()?.iter().filter_map(|line| key(&line["item"])).collect();
        let once: BTreeSet<_> = seen.iter().collect();
        anyhow::ensure!(once.len() == seen.len(), "some were seen twice");
        let expected: BTreeSet<_> = expected.iter().collect();
        anyhow::ensure!(once.is_subset(&expected), "some were made up");
        Ok((once == expected).then_some(()))
    })
    .context("cursor by cursor")
}
