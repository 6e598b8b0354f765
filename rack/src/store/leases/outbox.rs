//! Lease facts, read back from the log for region.

use common::report::LeaseChanged;
use engine::lease::record::{self, Frame, Record};
use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::watch, task::spawn_blocking};

use super::{collapse::SnapshotPages, files, frame, replay::Used, segments::Segments};

/// What region has not yet recorded; a clone is the same outbox.
#[derive(Clone)]
pub struct LeaseOutbox {
    segments: Arc<Segments>,
    /// Where the last read ended.
    place: Arc<Mutex<Place>>,
}

/// What comes after a fact.
#[derive(Debug)]
pub enum Outgoing {
    /// In order of their numbers, and the last number that was looked at: there may be none, and still nothing is missing up to it.
    Facts { facts: Vec<LeaseChanged>, upto: u64 },
    /// The log no longer has all that came after: the leases as they are now, in place of what happened to them.
    Collapsed(SnapshotPages),
}

#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the reading was broken off")]
    BrokenOff,
}

/// A frame that holds the record after `after`, or ends just before it.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    after: u64,
    segment: u64,
    at: u64,
}

impl fmt::Debug for LeaseOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseOutbox").field("directory", &self.segments.directory).finish()
    }
}

impl LeaseOutbox {
    pub(super) fn new(segments: Arc<Segments>) -> Self {
        Self { segments, place: Arc::default() }
    }

    /// The number of the newest fact that is on the disk.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.segments.newest().subscribe()
    }

    /// Up to `limit` facts that come after the one with number `after`.
    pub async fn read(&self, after: u64, limit: usize) -> Result<Outgoing, OutboxError> {
        let own = self.clone();
        let read = spawn_blocking(move || own.read_now(after, limit)).await;
        read.unwrap_or(Err(OutboxError::BrokenOff))
    }

    /// Region has everything up to this number; the log may forget it.
    pub fn recorded(&self, upto: u64) {
        self.segments.recorded(upto);
    }

    /// How many facts region has not recorded; none where nothing is owed to one.
    pub fn lag(&self) -> u64 {
        let newest = *self.segments.newest().borrow();
        if self.segments.is_owed() { newest - self.segments.last_recorded().min(newest) } else { 0 }
    }
}

/// What one read finds.
enum Found {
    /// Whatever there is up to this number.
    Facts(u64),
    /// A record that should be there is not.
    Missing,
}

impl LeaseOutbox {
    fn read_now(&self, after: u64, limit: usize) -> Result<Outgoing, OutboxError> {
        let newest = *self.segments.newest().borrow();
        // Names and contents of files stand still until it is dropped.
        let held = self.segments.hold_files();
        let mut facts = Vec::new();
        let found = self.read_facts(after, newest, limit, &mut facts)?;
        let outgoing = match found {
            Found::Facts(upto) => Outgoing::Facts { facts, upto },
            Found::Missing => {
                let path = &self.segments.directory;
                let pages = SnapshotPages::take(&self.segments)
                    .map_err(|source| OutboxError::Read { path: path.clone(), source })?;
                Outgoing::Collapsed(pages)
            }
        };
        drop(held);
        Ok(outgoing)
    }

    fn read_facts(
        &self,
        after: u64,
        newest: u64,
        limit: usize,
        facts: &mut Vec<LeaseChanged>,
    ) -> Result<Found, OutboxError> {
        let used = self.segments.used();
        let holds_next = |used: &Used| used.first.is_some_and(|first| first <= after + 1);
        let mut place = Place { after, ..Place::default() };
        let Some(start) = used.iter().rposition(holds_next) else {
            return Ok(if after < newest { Found::Missing } else { Found::Facts(after) });
        };
        for segment in &used[start..] {
            let mut at = self.known_place(after, segment.number);
            let mut least = 0;
            let mut reader = Reader::open(&self.segments.directory, segment.number)?;
            while place.after < newest && facts.len() < limit {
                // Lower numbers are what the segment held in its former life.
                let frame = reader.frame(at)?.filter(|(frame, _)| frame.sequence >= least);
                let Some((frame, end)) = frame else { break };
                if frame.sequence > place.after + 1 {
                    return Ok(Found::Missing);
                }
                least = frame.sequence + u64::from(frame.count);
                if least > place.after + 1 {
                    place.after =
                        take_facts(&frame, place.after, newest.min(least - 1), limit, facts);
                }
                at = if least > place.after + 1 { at } else { end };
                place = Place { segment: segment.number, at, ..place };
            }
        }
        if place.after < newest && facts.len() < limit {
            return Ok(Found::Missing);
        }
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        Ok(Found::Facts(place.after))
    }

    fn known_place(&self, after: u64, segment: u64) -> u64 {
        let place = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if (place.after, place.segment) == (after, segment) { place.at } else { 0 }
    }
}

/// Takes over the records after `after` up to `last`, as far as there is room; returns the last one that it looked at.
fn take_facts(
    frame: &Frame<'_>,
    mut after: u64,
    last: u64,
    limit: usize,
    facts: &mut Vec<LeaseChanged>,
) -> u64 {
    for (revision, record) in (frame.sequence..).zip(frame.records()) {
        if revision <= after {
            continue;
        }
        if revision > last || facts.len() >= limit {
            break;
        }
        after = revision;
        // What this version cannot read it cannot tell.
        facts.extend(record.ok().as_ref().and_then(Record::to_fact));
    }
    after
}

/// Reads a segment frame by frame, without reading all of it.
struct Reader {
    path: PathBuf,
    file: File,
    bytes: Vec<u8>,
    /// Where in the file `bytes` begin.
    start: u64,
}

impl Reader {
    /// Several commits, or one large one.
    const WINDOW: usize = 256 << 10;

    fn open(directory: &Path, number: u64) -> Result<Self, OutboxError> {
        let path = files::segment(directory, number);
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file, bytes: Vec::new(), start: 0 }),
            Err(source) => Err(OutboxError::Read { path, source }),
        }
    }

    /// The frame at this place and where the next one begins.
    fn frame(&mut self, at: u64) -> Result<Option<(Frame<'_>, u64)>, OutboxError> {
        let mut window = Self::WINDOW;
        while record::read_frame(self.from(at)).is_none() {
            let all = self.fill(at, window);
            let is_all =
                all.map_err(|source| OutboxError::Read { path: self.path.clone(), source })?;
            if is_all {
                break;
            }
            window *= 8;
        }
        let frame = record::read_frame(self.from(at));
        Ok(frame.map(|frame| (frame, at + frame::space(&frame) as u64)))
    }

    fn from(&self, at: u64) -> &[u8] {
        let skipped = at.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        skipped.and_then(|skipped| self.bytes.get(skipped..)).unwrap_or_default()
    }

    /// Reads so many bytes; true if the file has no more.
    fn fill(&mut self, at: u64, window: usize) -> io::Result<bool> {
        self.bytes.resize(window, 0);
        self.start = at;
        let mut read = 0;
        while read < window {
            match self.file.read_at(&mut self.bytes[read..], at + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        self.bytes.truncate(read);
        Ok(read < window)
    }
}
