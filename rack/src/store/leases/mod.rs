//! The durable lease log of all VLANs, which is also the outbox of lease facts.
//!
//! Segments take the commits, one frame and one sync each. Their blocks are written before they are used, so that a sync changes no metadata;
//! a segment that is no longer needed gets a new life under the next number. When two segments are full, a snapshot of all leases takes their place.
//! A segment that region has not recorded is kept beyond that, up to a limit; then region gets all leases in place of what happened to them.

mod collapse;
mod commit;
mod files;
mod frame;
mod housekeeping;
mod outbox;
mod replay;
mod segments;
mod snapshot;
#[cfg(test)]
mod tests;

pub use collapse::{SnapshotPage, SnapshotPages};
pub use commit::{Commit, LogWriter};
pub use housekeeping::Housekeeper;
pub use outbox::{LeaseOutbox, OutboxError, Outgoing};
pub use replay::Damage;
pub use segments::{LogHealth, Piece};

use engine::lease::record::Frame;
use runtime::clock::Clock;
use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use segments::Segments;

pub struct LogSettings {
    /// Made when it is not there; nobody else uses it.
    pub directory: PathBuf,
    pub segment_bytes: u64,
    /// How much of the log is kept for a region that is away; none when there is no region to tell.
    pub owed_bytes: Option<u64>,
    /// Keeps strangers from choosing what collides in a table.
    pub seed: u64,
    /// Called when a snapshot is wanted of the thread that has the leases.
    pub wake: Box<dyn Fn() + Send + Sync>,
}

/// A log that was read back and may be written.
pub struct LeaseLog {
    pub writer: LogWriter,
    pub snapshots: Snapshots,
    pub outbox: LeaseOutbox,
    pub monitor: LogMonitor,
    /// What could not be read back.
    pub damage: Vec<Damage>,
    /// Revision of the newest record; the next commit begins with the one after it.
    pub newest: u64,
    /// The work that goes on beside the commits, for a thread of its own.
    pub housekeeper: Housekeeper,
}

impl LeaseLog {
    /// Reads everything back, in an order in which the last record of an address tells its state, then makes the first segments.
    pub fn open(
        settings: LogSettings,
        clock: &Clock,
        each: impl FnMut(&Frame<'_>),
    ) -> io::Result<Self> {
        let directory = settings.directory.clone();
        fs::create_dir_all(&directory)?;
        let mut replayed = replay::replay(&directory, each)?;
        let spares = open_unused(&settings, &replayed.unused)?;
        let recorded = read_recorded(&directory)?;
        let damage = std::mem::take(&mut replayed.damage);
        let segments = Arc::new(Segments::new(settings, &replayed, spares, recorded));
        let mut housekeeper = Housekeeper::new(Arc::clone(&segments), clock.clone());
        housekeeper.make_spares()?;
        Ok(Self {
            writer: LogWriter::new(Arc::clone(&segments), clock.clone()),
            snapshots: Snapshots(Arc::clone(&segments)),
            monitor: LogMonitor(Arc::clone(&segments)),
            outbox: LeaseOutbox::new(segments),
            damage,
            newest: replayed.newest,
            housekeeper,
        })
    }
}

/// A segment that was made for later, if it is whole.
fn open_unused(settings: &LogSettings, unused: &[u64]) -> io::Result<VecDeque<(u64, File)>> {
    let mut spares = VecDeque::new();
    for number in unused {
        let path = files::segment(&settings.directory, *number);
        if fs::metadata(&path)?.len() == settings.segment_bytes {
            spares.push_back((*number, OpenOptions::new().write(true).open(path)?));
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(spares)
}

/// 0, which is safe, if it was never saved.
fn read_recorded(directory: &Path) -> io::Result<u64> {
    match fs::read(files::recorded(directory)) {
        Ok(bytes) => Ok(bytes.try_into().map_or(0, u64::from_le_bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// How the leases of a snapshot come from the thread that has them, by way of the one that commits.
#[derive(Clone)]
pub struct Snapshots(Arc<Segments>);

impl Snapshots {
    pub fn is_wanted(&self) -> bool {
        self.0.is_snapshot_wanted()
    }

    /// Begins the one that is wanted. Leases are taken as they are after this call.
    pub fn begin(&self) {
        self.0.begin_snapshot();
    }

    pub fn has_room(&self) -> bool {
        self.0.has_room_for_piece()
    }

    /// Whether the disk keeps up with one more piece; if so, one has to be handed to the writer.
    pub fn reserve_piece(&self) -> bool {
        self.0.reserve_piece()
    }
}

/// How the log is, and how to end it.
#[derive(Clone)]
pub struct LogMonitor(Arc<Segments>);

impl LogMonitor {
    pub fn health(&self) -> LogHealth {
        self.0.health()
    }

    /// Commits that wait for room are given up, and the housekeeping ends.
    pub fn end(&self) {
        self.0.end();
    }
}
