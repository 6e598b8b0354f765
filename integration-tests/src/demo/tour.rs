//! The tour as a check: each step is done, looked at, and timed.

use super::{Demo, RESERVED};
use crate::lab::{
    centre::{DNS, SEGMENT_A},
    machine::Client,
    swarm::Swarm,
    watch::Watch,
};
use anyhow::{Context, ensure};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// What the demonstration promises.
const SHOWN_WITHIN: Duration = Duration::from_secs(1);
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
const NEW_DNS: &str = "10.77.0.54";

/// Tells the tour, and fails where it is not as told.
pub fn check(demo: Demo) -> anyhow::Result<()> {
    let mut guide = Guide { began: Instant::now(), steps: 0 };
    guide.say("the data centre is up: region, rack1, rack2, relay")?;
    let region = &demo.centre.region;
    let watch = region.watch("tour-events", "event")?;
    leases_show(&demo, &watch, &mut guide)?;

    let node = demo.centre.node("crowd", SEGMENT_A)?;
    let mut crowd = Swarm::new(&node, 9, 40)?;
    crowd.bind(ANSWERED_WITHIN)?;
    guide.say("40 more machines have leases")?;
    let before = pids(&demo)?;
    let repeated = crowd.repeated;
    let changed = std::thread::scope(|scope| {
        // They renew over and over while the subnet changes.
        let change = scope.spawn(|| {
            let words = ["subnet", "update", "10.77.0.0/16", "--dns-servers", NEW_DNS];
            region.hostler_wait(&words)
        });
        while !change.is_finished() {
            crowd.renew(ANSWERED_WITHIN)?;
        }
        change.join().map_err(|_| anyhow::anyhow!("the change panicked"))?
    })?;
    for rack in ["rack1", "rack2"] {
        ensure!(changed.contains(rack), "--wait does not name {rack}: {changed}");
    }
    guide.say("DNS servers changed with --wait; both racks have acknowledged")?;
    ensure!(crowd.wrong.is_empty(), "wrong answers: {:?}", crowd.wrong);
    ensure!(crowd.repeated == repeated, "{} requests were lost", crowd.repeated - repeated);
    ensure!(pids(&demo)? == before, "a rack was restarted");
    guide.say(&format!(
        "{} renewals meanwhile: none lost, none wrong, no rack restarted",
        crowd.acknowledged.len() - 40
    ))?;

    let newcomer = demo.centre.machine("new1", SEGMENT_A)?;
    let (_running, told) = newcomer.lease(Client::Udhcpc, &[])?;
    ensure!(told.dns() == [NEW_DNS], "the next client was told {told:?}");
    guide.say("the next client is told the new DNS servers")?;
    guide.end()
}

fn leases_show(demo: &Demo, watch: &Watch, guide: &mut Guide) -> anyhow::Result<()> {
    let clients = [Client::Udhcpc, Client::Dhclient, Client::Dhcpcd];
    let mut running = Vec::new();
    for ((name, machine), client) in demo.machines.iter().zip(clients.into_iter().cycle()) {
        let (process, told) = machine.lease(client, &[])?;
        running.push(process);
        let address = told.address()?;
        let took = watch.sees_lease(address, SHOWN_WITHIN)?;
        ensure!(told.dns() == [DNS], "{name} was told {told:?}");
        if name == RESERVED.0 {
            ensure!(told.get("address") == RESERVED.1, "{name} was not given its own: {told:?}");
        }
        let how = if address.octets()[1] == 78 { "behind the relay" } else { "directly" };
        guide.say(&format!(
            "{name} has {address} by {client:?}, {how}; the watcher saw it within {} ms",
            took.as_millis().max(1)
        ))?;
    }
    Ok(())
}

fn pids(demo: &Demo) -> anyhow::Result<Vec<String>> {
    let racks = demo.centre.racks.iter();
    racks.map(|rack| Ok(rack.process_id().context("it runs")?.to_string())).collect()
}

struct Guide {
    began: Instant,
    steps: usize,
}

impl Guide {
    fn say(&mut self, what: &str) -> anyhow::Result<()> {
        self.steps += 1;
        let at = self.began.elapsed().as_secs_f32();
        Ok(writeln!(std::io::stdout(), "{at:6.1} s  {what}")?)
    }

    fn end(self) -> anyhow::Result<()> {
        let Self { began, steps } = self;
        let took = began.elapsed().as_secs_f32();
        Ok(writeln!(std::io::stdout(), "demo: all {steps} steps passed in {took:.1} s")?)
    }
}
