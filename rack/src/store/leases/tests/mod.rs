mod crash;
mod outbox;
mod recovery;
mod segments;

use common::VlanId;
use engine::lease::{record, state::State};
use runtime::clock::Clock;
use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::Path,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{Commit, LeaseLog, LogSettings};

/// An address and the revision and state that its last record gives it.
type Leases = BTreeMap<Ipv4Addr, (u64, State)>;

/// A few commits.
const SEGMENT: u64 = 4096;

fn settings(directory: &Path, owed_bytes: Option<u64>) -> LogSettings {
    LogSettings {
        directory: directory.into(),
        segment_bytes: SEGMENT,
        owed_bytes,
        seed: 7,
        wake: Box::new(|| {}),
    }
}

/// A log in use: the test commits, a thread keeps house.
struct Open {
    log: Writing,
    leases: Leases,
    damage: Vec<String>,
    housekeeping: Option<JoinHandle<()>>,
}

struct Writing {
    writer: super::LogWriter,
    snapshots: super::Snapshots,
    outbox: super::LeaseOutbox,
    monitor: super::LogMonitor,
    newest: u64,
}

impl Open {
    fn new(directory: &Path, owed_bytes: Option<u64>) -> Self {
        let mut leases = Leases::new();
        let settings = settings(directory, owed_bytes);
        let opened = LeaseLog::open(settings, &Clock::system(), |frame| {
            for record in frame.records() {
                let record = record.unwrap();
                let known = leases.get(&record.address).map_or(0, |(revision, _)| *revision);
                // As the table does: a snapshot may hold what is newer than a record behind it.
                if record.revision >= known {
                    leases.insert(record.address, (record.revision, record.state));
                }
            }
        });
        let LeaseLog { writer, snapshots, outbox, monitor, damage, newest, housekeeper } =
            opened.unwrap();
        Self {
            log: Writing { writer, snapshots, outbox, monitor, newest },
            leases,
            damage: damage.iter().map(ToString::to_string).collect(),
            housekeeping: Some(thread::spawn(move || housekeeper.run().unwrap())),
        }
    }

    /// One commit of `count` leases, of addresses that come again after a thousand.
    fn commit(&mut self, count: u32) {
        let first = self.log.newest + 1;
        let mut frame = begun();
        for revision in first..first + u64::from(count) {
            let address = address(revision);
            write_record(&mut frame, revision, address, State::Bound);
            self.leases.insert(address, (revision, State::Bound));
        }
        let done = self.log.writer.commit(&mut frame, first, count).unwrap();
        assert_eq!(done, Commit::Durable);
        self.log.newest += u64::from(count);
    }

    /// What the deciding thread does when a snapshot is wanted.
    fn take_snapshot(&mut self) {
        self.log.snapshots.begin();
        let mut left: Vec<_> = self.leases.iter().collect();
        while !left.is_empty() {
            wait_until("the disk keeps up", || self.log.snapshots.reserve_piece());
            let piece: Vec<_> = left.drain(..left.len().min(64)).collect();
            let mut frame = begun();
            for (address, (revision, state)) in &piece {
                write_record(&mut frame, *revision, **address, *state);
            }
            let count = u32::try_from(piece.len()).unwrap();
            self.log.writer.add(super::Piece { frame, count, last: left.is_empty() });
        }
    }

    fn end(mut self) -> Leases {
        self.stop();
        std::mem::take(&mut self.leases)
    }

    fn stop(&mut self) {
        self.log.monitor.end();
        if let Some(thread) = self.housekeeping.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.log.monitor.end();
    }
}

fn begun() -> Vec<u8> {
    let mut frame = Vec::new();
    record::begin(&mut frame);
    frame
}

fn address(revision: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(revision % 1000).unwrap())
}

/// By hand, since the form on the disk outlives any one version of the code that writes it.
fn write_record(frame: &mut Vec<u8>, revision: u64, address: Ipv4Addr, state: State) {
    frame.extend_from_slice(&revision.to_le_bytes());
    frame.extend_from_slice(vlan().uuid().as_bytes());
    frame.extend_from_slice(&address.to_bits().to_le_bytes());
    frame.extend_from_slice(&1_700_000_000_u32.to_le_bytes());
    frame.extend_from_slice(&1_700_000_600_u32.to_le_bytes());
    frame.extend_from_slice(&[state.code(), 1, 6, 0, 4, 0]);
    frame.extend_from_slice(&[2, 0]);
    frame.extend_from_slice(&address.octets());
    frame.extend_from_slice(b"host");
}

fn vlan() -> VlanId {
    "6f9619ff-8b86-4011-b42d-00c04fc964ff".parse().unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < limit, "in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn segments(directory: &Path) -> Vec<u64> {
    super::files::segments(directory).unwrap()
}

fn segment_length(directory: &Path, number: u64) -> u64 {
    fs::metadata(super::files::segment(directory, number)).unwrap().len()
}
