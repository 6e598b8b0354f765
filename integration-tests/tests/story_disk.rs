//! The rack's disk is full: no client is promised what cannot be kept, no boot file is served that is not whole, the status says so, and it heals by itself.

use anyhow::{Context, ensure};
use hostler_integration_tests::lab::{
    Lab, Mount, Process,
    centre::{Centre, SEGMENT_A, Wishes},
    ledger,
    machine::{Client, INTERFACE},
    rack::Rack,
    run,
    segment::{RACK, Segment},
    swarm::Swarm,
    until,
};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

const ANSWERED: Duration = Duration::from_secs(60);
/// Until a file has come from region; a rack waits longer and longer between two attempts.
const SERVED: Duration = Duration::from_secs(120);
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
prefix = "10.9.0.0/16"
ranges = [{ first = "10.9.16.0", last = "10.9.255.254" }]
"#;

#[test]
fn nothing_is_promised_on_a_full_disk() -> anyhow::Result<()> {
    let Some(segment) = Segment::open("dsk")? else { return Ok(()) };
    let mut rack = Rack::alone(&segment.lab, "rack", &segment.rack, CONFIG)?;
    let disk = Mount::tmpfs(&rack.state(), DISK)?;
    rack.start()?;
    rack.shows("dc1/10")?;
    let mut first = Swarm::new(&segment.node("first", &[])?, 1, 20)?;
    first.bind(ANSWERED)?;

    let filler = fill(&rack.state())?;
    // Fewer clients than there are addresses, who ask for theirs again and again.
    let mut perfdhcp = segment.node("load", &["10.9.0.200/16"])?.command("perfdhcp");
    perfdhcp.args(["-4", "-l", INTERFACE, "-L", "67", "-r", "3000", "-R", "30000", "-p", "300"]);
    let load = Process::start("perfdhcp", segment.lab.folder(), perfdhcp.args(["-u", RACK]))?;
    rack.shows(FULL)?;
    // What room the log still has is used up first; from then on nobody is promised anything.
    let probe = segment.node("probe", &[])?;
    let mut families = 10..=u8::MAX;
    until(ANSWERED * 2, "ACKs stop", || {
        let family = families.next().context("fewer clients than that fill the log")?;
        Ok(Swarm::new(&probe, family, 1)?.bind(SILENT).is_err().then_some(()))
    })?;
    drop(load);

    let mut second = Swarm::new(&segment.node("second", &[])?, 2, 20)?;
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

/// Room for boot files alone: beyond it is what keeps leases.
const BOOT_DISK: &str = "192m";
const KERNEL: usize = 10 << 20;
/// So long on its way that the disk can be filled meanwhile.
const INITRD: usize = 128 << 20;

#[test]
fn a_boot_file_that_the_disk_cuts_short_is_whole_in_the_end() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("dbf")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    let rack = &mut centre.racks[0];
    rack.kill()?;
    let folder = rack.state().join("boot-files");
    let disk = Mount::tmpfs(&folder, BOOT_DISK)?;
    rack.start()?;
    let (region, rack) = (&centre.region, &centre.racks[0]);
    let push = |name: &str, size: usize| -> anyhow::Result<String> {
        let source = centre.lab.folder().join(name);
        fs::write(&source, content(size))?;
        let source = source.display().to_string();
        region.hostler(&["boot-file", "push", &source, "--as", name])?;
        checksum(Command::new("sha256sum").arg(source))
    };
    let is_served = |name: &str, right: &str| {
        until(SERVED, &format!("{name} is served, and right"), || {
            let fetch = format!("curl -sf http://10.77.0.2:7280/boot/{name} | sha256sum");
            let fetched =
                checksum(rack.node.command("bash").args(["-o", "pipefail", "-c", &fetch]))?;
            ensure!(fetched == right, "{fetched} and not {right}");
            Ok(Some(()))
        })
    };
    let kernel = push("kernel", KERNEL)?;
    is_served("kernel", &kernel)?;

    thread::scope(|scope| {
        let filling = scope.spawn(|| fill_meanwhile(&folder));
        let initrd = push("initrd", INITRD)?;
        let filler = filling.join().expect("no panic")?;
        rack.shows("the disk is full")?;
        // Neither what it has suffers, nor DHCP.
        is_served("kernel", &kernel)?;
        centre.machine("a1", SEGMENT_A)?.lease(Client::Udhcpc, &["-q"])?;
        fs::remove_file(&filler)?;
        // It heals by itself.
        is_served("initrd", &initrd)
    })?;
    let fetched = rack.metric("hostler_boot_files_fetched_bytes_total", &[])?;
    ensure!(fetched < (KERNEL + INITRD) as f64 * 1.5, "it began anew: {fetched}");

    // Room for one of them: what is not configured any more goes before its successor waits.
    region.hostler(&["boot-file", "rm", "initrd", "--yes"])?;
    let successor = push("successor", INITRD + 1)?;
    is_served("successor", &successor)?;
    is_served("kernel", &kernel)?;
    drop(centre);
    drop(disk);
    Ok(())
}

/// Waits until a file is on its way into this folder, and takes all room that there is then.
fn fill_meanwhile(folder: &Path) -> anyhow::Result<PathBuf> {
    until(SERVED, "a file is on its way", || {
        let files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        let partial = |file: &&fs::DirEntry| file.path().extension().is_some();
        let Some(partial) = files.iter().find(partial) else { return Ok(None) };
        Ok((partial.metadata()?.len() > INITRD as u64 / 8).then_some(()))
    })?;
    fill(folder)
}

/// Each of its parts is another.
fn content(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for (number, part) in bytes.chunks_mut(4096).enumerate() {
        part.fill((number * 31 % 251) as u8);
    }
    bytes
}

fn checksum(command: &mut Command) -> anyhow::Result<String> {
    Ok(run(command)?.split(' ').next().context("a checksum")?.to_owned())
}

/// Takes all room that the disk of this folder still has.
fn fill(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path)?;
    for block in [vec![0; 1 << 20], vec![0; 4096]] {
        while file.write_all(&block).is_ok() {}
    }
    Ok(path)
}
