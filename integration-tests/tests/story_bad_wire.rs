//! A wire that loses one frame in twenty each way, carries some twice and lets some overtake others: whatever real clients fetch over it is right, by
//! checksum.

use anyhow::{Context, ensure};
use hostler_integration_tests::lab::{
    Cable, Node,
    bad_wire::{BadWire, Fates, Faults},
    rack::Rack,
    run,
    segment::{BootSetup, RACK, SWITCH, Segment, content},
    until,
};
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

const FAULTS: Faults =
    Faults { lost: 50, doubled: 30, late: 50, delay: Duration::from_millis(30), seed: 0x5eed };
/// As often firmware asks again before it gives up a device.
const TRIES: usize = 3;
const ROUNDS: usize = 2;
const LIMIT: Duration = Duration::from_secs(60);

/// In lock-step each lost block costs a second, so what is fetched in small blocks is small.
const FILES: [(&str, u64); 4] =
    [("small", 33_333), ("even", 512 * 100), ("middle", 600_011), ("large", 3_000_017)];

/// What is fetched, by what. An underscore is a space within a word.
const CLIENTS: [(&str, &str); 13] = [
    ("small", "curl -sSf -m 60 -o TO --tftp-no-options tftp://RACK/small"),
    ("even", "curl -sSf -m 60 -o TO --tftp-no-options tftp://RACK/even"),
    ("small", "curl -sSf -m 60 -o TO --tftp-blksize 1428 tftp://RACK/small"),
    ("small", "curl -sSf -m 60 -o TO --tftp-blksize 8192 tftp://RACK/small"),
    ("even", "busybox tftp -g -b 512 -l TO -r even RACK"),
    ("small", "busybox tftp -g -b 1428 -l TO -r small RACK"),
    ("small", "atftp -g -l TO --option timeout_1 --option blksize_1428 -r small RACK"),
    (
        "middle",
        "atftp -g -l TO --option timeout_1 --option blksize_1428 --option windowsize_8 -r middle RACK",
    ),
    ("even", "atftp -g -l TO --option timeout_1 --option windowsize_16 -r even RACK"),
    ("large", "curl -sSf -m 60 -o TO http://RACK:7280/boot/large"),
    ("large", "curl -sSf -m 60 -o TO -r 0- http://RACK:7280/boot/large"),
    ("large", "wget -q -T 60 -O TO http://RACK:7280/boot/large"),
    ("large", "busybox wget -q -O TO http://RACK:7280/boot/large"),
];

#[test]
fn every_transfer_over_a_bad_wire_is_right() -> anyhow::Result<()> {
    let Some(segment) = Segment::open("bad")? else { return Ok(()) };
    let client = segment.lab.node("c")?;
    let cable = Cable { on: &segment.switches, switch: SWITCH, addresses: &["10.9.0.99/16"] };
    let wire = BadWire::plug(&segment.lab, "wire", &client, cable, FAULTS)?;
    let stock = Stock::make(segment.lab.folder())?;
    let mut rack = Rack::alone(&segment.lab, "rack", &segment.rack, &stock.configuration())?;
    rack.start()?;
    rack.shows("4 files at 10.9.0.2:7280")?;

    let shop = Shop { client: &client, stock: &stock };
    let fetched: Vec<Fetched> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CLIENTS.len()).map(|at| scope.spawn(move || shop.fetch_often(at))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<_, _>>()
    })?;
    let fates = wire.pull()?;
    fs::write(segment.lab.folder().join("fetched.txt"), report(&fetched, &fates))?;

    for Fates { carried, lost, doubled, overtaken } in fates {
        ensure!(carried > 1000, "{fates:?} is no test");
        ensure!(lost * 1000 > carried * 30, "the wire was too good: {fates:?}");
        ensure!(doubled > 0 && overtaken > 0, "the wire was too good: {fates:?}");
    }
    let repeated = rack.metric("hostler_tftp_blocks_repeated_total", &[])?;
    ensure!(repeated > 0.0, "nothing was sent again");
    until(LIMIT, "all transfers have ended", || {
        Ok(rack.says()?.contains("10.9.0.2:69, 0 transfers").then_some(()))
    })
}

/// What the rack serves, on the disk.
struct Stock {
    folder: PathBuf,
}

impl Stock {
    fn make(lab: &Path) -> anyhow::Result<Self> {
        let folder = lab.join("files");
        fs::create_dir_all(&folder)?;
        for (name, size) in FILES {
            fs::write(folder.join(name), content(size))?;
        }
        Ok(Self { folder })
    }

    fn configuration(&self) -> String {
        let paths = FILES.map(|(name, _)| (name, self.folder.join(name).display().to_string()));
        let files = paths.each_ref().map(|(name, source)| (*name, source.as_str()));
        BootSetup { files: &files, ..BootSetup::default() }.toml()
    }
}

#[derive(Clone, Copy)]
struct Shop<'a> {
    client: &'a Node,
    stock: &'a Stock,
}

/// One client's transfers, all of them right in the end.
struct Fetched {
    at: usize,
    took: Duration,
    /// What it said when it gave up and was started again.
    gave_up: Vec<String>,
}

impl Shop<'_> {
    fn fetch_often(self, at: usize) -> anyhow::Result<Fetched> {
        let (began, mut gave_up) = (Instant::now(), Vec::new());
        for _ in 0..ROUNDS {
            gave_up.extend(self.fetch(at)?);
        }
        Ok(Fetched { at, took: began.elapsed(), gave_up })
    }

    /// A client may give up, and is started again, as firmware is: atftp does at the second copy of an OACK. What it says it has is right the first time.
    fn fetch(self, at: usize) -> anyhow::Result<Vec<String>> {
        let (file, words) = CLIENTS[at];
        let to = self.stock.folder.with_file_name(format!("fetched-{at}"));
        let put_in = |word: &str| {
            word.replace('_', " ").replace("TO", &to.display().to_string()).replace("RACK", RACK)
        };
        let words: Vec<String> = words.split(' ').map(put_in).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut gave_up = Vec::new();
        loop {
            // What an earlier one left must not pass for this one's.
            let _ = fs::remove_file(&to);
            match self.client.run(&words) {
                Ok(_) => break,
                Err(error) if gave_up.len() + 1 == TRIES => return Err(error),
                Err(error) => gave_up.push(format!("{error:#}")),
            }
        }
        let (own, right) = (checksum(&to)?, checksum(&self.stock.folder.join(file))?);
        ensure!(own == right, "{words:?}: other bytes than on the disk");
        Ok(gave_up)
    }
}

fn checksum(path: &Path) -> anyhow::Result<String> {
    let said = run(Command::new("sha256sum").arg(path))?;
    Ok(said.split(' ').next().context("a checksum")?.to_owned())
}

/// For people.
fn report(fetched: &[Fetched], fates: &[Fates; 2]) -> String {
    let mut report = format!("{fates:#?}\n");
    for Fetched { at, took, gave_up } in fetched {
        let seconds = took.as_secs_f64() / ROUNDS as f64;
        let _ = writeln!(report, "{seconds:6.1} s  {}", CLIENTS[*at].1);
        for why in gave_up {
            let _ = writeln!(report, "          gave up: {why}");
        }
    }
    report
}
