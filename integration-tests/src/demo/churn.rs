//! Machines that come and go for as long as the demonstration stands.

use crate::lab::{
    Node,
    machine::{Client, Machine},
};
use anyhow::Context;
use std::{io::Write, path::Path, thread, time::Duration};

/// How long a machine stays, and how long it is away: each its own, so that they do not march in step.
const STAYS: Duration = Duration::from_secs(20);
const AWAY: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_secs(3);

/// Until it is killed: it runs inside a namespace of the lab, so that the lab's end is its end. Each word is MACHINE=NAMESPACE.
pub fn run(folder: &Path, machines: &[String]) -> anyhow::Result<()> {
    let clients = [Client::Udhcpc, Client::Dhclient, Client::Dhcpcd];
    thread::scope(|scope| {
        for (at, (word, client)) in machines.iter().zip(clients.iter().cycle()).enumerate() {
            let (name, namespace) = word.split_once('=').context("MACHINE=NAMESPACE")?;
            let machine = Machine::standing(folder, name, Node::standing(namespace))?;
            let own = STEP * u32::try_from(at)?;
            scope.spawn(move || {
                loop {
                    if let Err(error) = come_and_go(&machine, *client, own) {
                        // The next turn may do better; the demonstration is there to be watched.
                        let _ = writeln!(std::io::stderr(), "{error:#}");
                    }
                    thread::sleep(AWAY + own);
                }
            });
        }
        Ok(())
    })
}

fn come_and_go(machine: &Machine, client: Client, own: Duration) -> anyhow::Result<()> {
    let (running, _) = machine.lease(client, &[])?;
    thread::sleep(STAYS + own);
    machine.release(client, running)
}
