//! How far machines came as they booted reaches region, with times and with what those hang on that came no further; also what happened while region was
//! away, and each of it once.

use anyhow::{Context, ensure};
use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, SEGMENT_A, Wishes},
    machine::{Client, Machine},
    pxe::{Pxe, Voice},
    rack::Rack,
    region::Region,
    until,
};
use serde_json::Value;
use std::{collections::BTreeSet, fs, time::Duration};

const RACK: &str = "10.77.0.2";
const LOADER: &str = "ipxe/snponly.efi";
const LOADER_SIZE: usize = 200_000;
const FILES: [(&str, usize); 3] =
    [(LOADER, LOADER_SIZE), ("guest/vmlinuz", 500_000), ("guest/initrd.img", 700_000)];
const LIMIT: Duration = Duration::from_secs(60);
/// A minute of silence is a stall, and the rack may be busy.
const STALLED: Duration = Duration::from_secs(150);
const WHOLE: [&str; 8] = [
    "discover",
    "offer",
    "loader-requested",
    "loader-done",
    "script",
    "kernel",
    "initrd",
    "system",
];

#[test]
fn region_is_told_once_how_far_each_machine_came() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("trc")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    let mut machines = ["n1", "n2", "n3", "n4"]
        .iter()
        .map(|name| Metal::stand(&centre, name))
        .collect::<Result<Vec<_>, _>>()?;
    let [n1, n2, n3, n4] = &mut machines[..] else { unreachable!("four of them") };
    stock(&centre, &[n1, n2, n3, n4])?;

    // These two come no further, each in its way.
    n2.pxe.configure(Voice::Firmware)?;
    n3.fetch_loader()?;
    n1.boot()?;
    let trace = finished(&centre.region, "n1")?;
    ensure!(trace["architecture"] == "uefi-x64" && trace["rack"] == "rack1", "{trace}");
    let sizes = [("loader-done", 0), ("kernel", 1), ("initrd", 2)];
    for (step, file) in sizes {
        let sent = &stage(&trace, step)["bytes"];
        ensure!(sent.as_u64() == Some(FILES[file].1 as u64), "{step}: {sent}");
    }
    let shown = centre.region.hostler(&["machine", "boot-trace", "n1"])?;
    ensure!(shown.contains("finished after") && shown.contains("guest/initrd.img"), "{shown}");

    // In the midst of a boot region goes, and the rack alone knows how it went on.
    n4.fetch_loader()?;
    centre.region.kill()?;
    n4.start_system()?;
    let rack = centre.racks[0].process()?;
    until(STALLED, "two machines have stalled", || {
        Ok((rack.log()?.matches("a machine came no further").count() == 2).then_some(()))
    })?;
    centre.region.start()?;
    centre.region.ready()?;
    finished(&centre.region, "n4")?;
    stalled(&centre.region, "n2", "offer", "it never asked for its loader")?;
    stalled(&centre.region, "n3", "loader-done", "downloaded and never went on: Secure Boot")?;
    told(&centre.region, 4, 2, 2)?;

    // A rack that comes back tells of nothing again: it would do so before it tells of what came later.
    centre.racks[0].kill()?;
    centre.racks[0].start()?;
    has_files(&centre.racks[0])?;
    n2.boot()?;
    finished(&centre.region, "n2")?;
    told(&centre.region, 5, 3, 2)
}

/// A machine that boots.
struct Metal {
    name: &'static str,
    pxe: Pxe,
    system: Machine,
}

impl Metal {
    fn stand(centre: &Centre, name: &&'static str) -> anyhow::Result<Self> {
        let system = centre.machine(name, SEGMENT_A)?;
        let pxe = Pxe::new(&system.node, &format!("SN-{name}"))?;
        Ok(Self { name, pxe, system })
    }

    fn fetch_loader(&mut self) -> anyhow::Result<()> {
        let told = self.pxe.configure(Voice::Firmware)?;
        ensure!(told.file == LOADER, "{told:?}");
        let size = self.pxe.fetch_loader(RACK, &told.file)?;
        ensure!(size == LOADER_SIZE, "{size}");
        Ok(())
    }

    /// What its loader does, up to its system's own DHCP.
    fn start_system(&mut self) -> anyhow::Result<()> {
        let told = self.pxe.configure(Voice::Ipxe)?;
        self.pxe.run_script(&told.file)?;
        self.system.lease(Client::Udhcpc, &["-q"]).map(drop)
    }

    fn boot(&mut self) -> anyhow::Result<()> {
        self.fetch_loader()?;
        self.start_system()
    }
}

/// Tells region of the machines and of what they boot, and waits until the rack has it.
fn stock(centre: &Centre, machines: &[&mut Metal; 4]) -> anyhow::Result<()> {
    let region = &centre.region;
    for (path, size) in FILES {
        let source = centre.lab.folder().join(path.replace('/', "-"));
        fs::write(&source, vec![0x5a; size])?;
        let source = source.to_str().context("a path in ASCII")?;
        region.hostler(&["boot-file", "push", source, "--as", path])?;
    }
    let [_, kernel, initrd] = FILES.map(|(path, _)| path);
    let profile = ["boot-profile", "create", "guest", "--target", "kernel", "--kernel", kernel];
    region.hostler(&[profile.as_slice(), &["--initrds", initrd]].concat())?;
    for Metal { name, system, .. } in machines {
        let mac = system.mac()?;
        let create = ["machine", "create", name, "--mac", &mac, "--boot-profile", "guest"];
        region.hostler_wait(&create)?;
    }
    has_files(&centre.racks[0])
}

fn has_files(rack: &Rack) -> anyhow::Result<()> {
    until(LIMIT, "the rack has all files", || {
        let ready = rack.metric("hostler_boot_files", &["ready"])?;
        Ok((ready == FILES.len() as f64).then_some(()))
    })
}

fn trace(region: &Region, machine: &str) -> anyhow::Result<Value> {
    region.json(&["machine", "boot-trace", machine])
}

/// Waits until its newest boot has finished, and judges its stages.
fn finished(region: &Region, machine: &str) -> anyhow::Result<Value> {
    let trace = until(LIMIT, &format!("region knows that {machine} has booted"), || {
        let trace = trace(region, machine)?;
        ensure!(trace["outcome"] == "finished", "{trace}");
        Ok(Some(trace))
    })?;
    let stages = trace["stages"].as_array().context("stages")?;
    let steps: Vec<_> = stages.iter().filter_map(|stage| stage["step"].as_str()).collect();
    ensure!(steps == WHOLE, "{trace}");
    let times: Vec<_> = stages.iter().filter_map(|stage| stage["at"].as_str()).collect();
    ensure!(times.len() == WHOLE.len() && times.is_sorted(), "{trace}");
    ensure!(trace["serial"] == format!("SN-{machine}"), "as iPXE told it: {trace}");
    Ok(trace)
}

fn stalled(region: &Region, machine: &str, at: &str, cause: &str) -> anyhow::Result<()> {
    until(LIMIT, &format!("region knows that {machine} has stalled"), || {
        let trace = trace(region, machine)?;
        ensure!(trace["outcome"] == "stalled" && trace["stage"] == at, "{trace}");
        Ok(Some(()))
    })?;
    let shown = region.hostler(&["machine", "boot-trace", machine])?;
    ensure!(shown.contains(&format!("stalled at {at} after")) && shown.contains(cause), "{shown}");
    Ok(())
}

fn stage<'a>(trace: &'a Value, step: &str) -> &'a Value {
    let mut stages = trace["stages"].as_array().into_iter().flatten();
    stages.find(|stage| stage["step"] == step).unwrap_or(&Value::Null)
}

/// So many boots have started, finished and stalled, each told by one event.
fn told(region: &Region, started: usize, finished: usize, stalled: usize) -> anyhow::Result<()> {
    for (name, count) in
        [("boot.started", started), ("boot.finished", finished), ("boot.stalled", stalled)]
    {
        let events = region.list("event", &format!("type={name}"))?;
        let keys: BTreeSet<_> = events.iter().filter_map(|event| event["key"].as_str()).collect();
        ensure!(events.len() == count && keys.len() == count, "{count} {name}: {events:?}");
    }
    let attempts = region.list("boot-attempt", "")?;
    ensure!(attempts.len() == started, "{attempts:?}");
    Ok(())
}
