//! The rack's disk is full: no client is promised what cannot be kept, the status says so, and it heals by itself.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Cable, Lab, Mount, Node, Process, ledger, machine::INTERFACE, rack::Rack, swarm::Swarm, until,
};
use std::{fs, io::Write, path::PathBuf, thread, time::Duration};

const ANSWERED: Duration = Duration::from_secs(60);
/// Time for every client to ask several times.
const SILENT: Duration = Duration::from_secs(4);
const FULL: &str = "disk full since";

/// Room for the leases of this story several times over, once what fills it is gone.
const DISK: &str = "24m";
const CONFIG: &str = r#"
[leases]
segment = 1
[[dhcp]]
name = "dc1/10"
role = "primary"
[[dhcp.subnets]]
prefix = "10.77.0.0/16"
ranges = [{ first = "10.77.16.0", last = "10.77.255.254" }]
"#;

#[test]
fn nothing_is_promised_on_a_full_disk() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("dsk")? else { return Ok(()) };
    let switches = lab.node("sw")?;
    lab.switch(&switches, "brA")?;
    let node = |name: &str, addresses: &[&str]| -> anyhow::Result<Node> {
        let node = lab.node(name)?;
        lab.plug(&node, INTERFACE, Cable { on: &switches, switch: "brA", addresses })?;
        Ok(node)
    };
    let mut rack = Rack::alone(&lab, "rack", &node("rack", &["10.77.0.2/16"])?, CONFIG)?;
    let disk = Mount::tmpfs(&rack.state(), DISK)?;
    rack.start()?;
    rack.shows("dc1/10")?;
    let mut first = Swarm::new(&node("first", &[])?, 1, 20)?;
    first.bind(ANSWERED)?;

    let filler = fill(&rack)?;
    let mut perfdhcp = node("load", &["10.77.0.200/16"])?.command("perfdhcp");
    perfdhcp.args(["-4", "-l", INTERFACE, "-L", "67", "-r", "3000", "-R", "100000", "-p", "300"]);
    let load = Process::start("perfdhcp", lab.folder(), perfdhcp.args(["-u", "10.77.0.2"]))?;
    rack.shows(FULL)?;
    // What room the log still has is used up first; from then on nobody is promised anything.
    let probe = node("probe", &[])?;
    let mut families = 10..=u8::MAX;
    until(ANSWERED * 2, "ACKs stop", || {
        let family = families.next().context("fewer clients than that fill the log")?;
        Ok(Swarm::new(&probe, family, 1)?.bind(SILENT).is_err().then_some(()))
    })?;
    drop(load);

    let mut second = Swarm::new(&node("second", &[])?, 2, 20)?;
    let promised = second.counter();
    thread::scope(|scope| {
        let binding = scope.spawn(|| second.bind(ANSWERED));
        let ack = until(SILENT, "an ACK", || Ok((promised.count() > 0).then_some(())));
        assert!(ack.is_err(), "an ACK was sent though its lease could not be written");
        assert!(rack.says()?.contains(FULL), "{}", rack.says()?);
        fs::remove_file(&filler)?;
        binding.join().expect("no panic").context("it heals by itself")
    })?;
    until(ANSWERED, "the status says that there is room again", || {
        Ok((!rack.says()?.contains(FULL)).then_some(()))
    })?;

    rack.kill()?;
    rack.start()?;
    first.renew(ANSWERED)?;
    second.renew(ANSWERED)?;
    assert_eq!((first.wrong.len(), second.wrong.len()), (0, 0), "{:?}", second.wrong);
    ledger::nobody_shares(&[&first.acknowledged, &second.acknowledged])?;
    drop(rack);
    drop(disk);
    Ok(())
}

/// Takes all room that the rack's disk still has.
fn fill(rack: &Rack) -> anyhow::Result<PathBuf> {
    let path = rack.state().join("filler");
    let mut file = fs::File::create(&path)?;
    let block = [0; 4096];
    while file.write_all(&block).is_ok() {}
    Ok(path)
}
