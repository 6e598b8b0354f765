//! The lab itself, against a DHCP server that is not ours: its clients must work before they may judge.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Cable, Lab, Process,
    machine::{Client, INTERFACE, Machine},
    postgres::Postgres,
    swarm::Swarm,
};
use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

#[test]
fn clients_of_the_lab_get_leases() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("lab")? else { return Ok(()) };
    let (switch, server) = (lab.node("sw")?, lab.node("server")?);
    lab.switch(&switch, "brA")?;
    let cable = |addresses| Cable { on: &switch, switch: "brA", addresses };
    lab.plug(&server, INTERFACE, cable(&["10.9.0.1/16"]))?;
    let config = lab.folder().join("udhcpd.conf");
    let leases = lab.folder().join("udhcpd.leases");
    fs::write(&leases, "")?;
    fs::write(
        &config,
        format!(
            "interface {INTERFACE}\nstart 10.9.1.1\nend 10.9.2.250\nmax_leases 500\nlease_file {}\npidfile {}\n\
             opt dns 10.9.0.53 10.9.0.54\nopt router 10.9.0.1\nopt subnet 255.255.0.0\nopt lease 600\n",
            leases.display(),
            lab.folder().join("udhcpd.pid").display()
        ),
    )?;
    let mut udhcpd = server.command("busybox");
    udhcpd.args(["udhcpd", "-f", "-a", "1"]).arg(&config);
    let mut server = Process::start("udhcpd", lab.folder(), &mut udhcpd)?;
    server.says("started", Duration::from_secs(5))?;

    let mut addresses = HashSet::new();
    for (name, client) in [("c1", Client::Udhcpc), ("c2", Client::Dhclient), ("c3", Client::Dhcpcd)]
    {
        let node = lab.node(name)?;
        lab.plug(&node, INTERFACE, cable(&[]))?;
        let machine = Machine::standing(lab.folder(), name, node)?;
        let (running, told) = machine.lease(client, &[])?;
        assert_eq!(told.dns(), ["10.9.0.53", "10.9.0.54"], "{client:?}");
        assert_eq!(told.get("router"), "10.9.0.1", "{client:?}");
        assert!(addresses.insert(told.address()?), "{told:?} was given twice");
        machine.release(client, running)?;
    }

    let node = lab.node("swarm")?;
    lab.plug(&node, INTERFACE, cable(&[]))?;
    let mut swarm = Swarm::new(&node, 1, 20)?;
    swarm.bind(Duration::from_secs(60))?;
    swarm.renew(Duration::from_secs(20))?;
    assert_eq!(swarm.acknowledged.len(), 40);
    assert_eq!(swarm.wrong, [""; 0]);
    for lease in swarm.leases() {
        assert!(addresses.insert(lease.address), "{lease:?} was given twice");
    }
    let first = swarm.leases().into_iter().next().context("twenty of them")?;
    assert_eq!(first.prefix, 16);
    Ok(())
}

#[test]
fn a_program_that_is_not_there_is_missed_at_once() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("exe")? else { return Ok(()) };
    let node = lab.node("n")?;
    let (began, limit) = (Instant::now(), Duration::from_secs(60));
    let missing = Process::start("missing", lab.folder(), &mut node.command("no-such-program"));
    let why = missing.err().map(|error| format!("{error:#}")).context("it cannot be started")?;
    assert!(why.contains("exec of \"no-such-program\" failed"), "{why}");
    // One that is there, and does not do what is waited for.
    let mut brief = Process::start("true", lab.folder(), &mut node.command("true"))?;
    let why = brief.says("ready", limit).unwrap_err().to_string();
    assert!(why.contains("ended without saying"), "{why}");
    assert!(began.elapsed() < limit);
    Ok(())
}

#[test]
fn a_postgresql_of_the_lab_stops_and_starts() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("pg")? else { return Ok(()) };
    let node = lab.node("db")?;
    let mut postgres = Postgres::new(&node, lab.folder())?;
    postgres.stop()?;
    assert!(!postgres.process.running()?);
    postgres.start()?;
    assert!(postgres.process.running()?);
    Ok(())
}
