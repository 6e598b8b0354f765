//! Facts of one class that are no leases, until region has recorded them: durable, numbered from 1, and so few that a bound on their space suffices. When it is
//! reached the oldest are dropped and counted.
//!
//! Files named by the number of their first fact, of frames: number, length and checksum of the content, content. The newest file always stays, so that numbers
//! go on where they were.

use std::{
    collections::VecDeque,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::watch, task::spawn_blocking};

use super::{StoreError, durable, make_private};

/// A clone is the same log.
#[derive(Clone)]
pub struct FactLog(Arc<Shared>);

/// Its number, and what it says.
pub type NumberedFact = (u64, Vec<u8>);

#[derive(Debug, thiserror::Error)]
pub enum FactError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the work was broken off")]
    BrokenOff,
}

struct Shared {
    directory: PathBuf,
    newest: watch::Sender<u64>,
    log: Mutex<Log>,
}

struct Log {
    /// Oldest first; never empty.
    segments: VecDeque<Segment>,
    /// The newest segment.
    file: File,
    /// Of all segments together.
    limit: u64,
    newest: u64,
    recorded: u64,
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    /// The number of its first fact, which may not be there yet.
    first: u64,
    size: u64,
}

/// What is dropped at once.
const SEGMENTS: u64 = 16;
const HEAD: usize = 16;
const EXTENSION: &str = "facts";

impl fmt::Debug for FactLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FactLog").field("directory", &self.0.directory).finish()
    }
}

impl FactLog {
    /// Days of a region's absence for a rack whose machines boot all the time.
    pub const DEFAULT_BYTES: u64 = 64 << 20;

    /// Makes the directory where it is missing, and drops what a crash left half written.
    pub fn open(directory: &Path, limit: u64) -> Result<Self, StoreError> {
        make_private(directory)?;
        let failed = |source| StoreError::Io { path: directory.into(), source };
        let log = Log::open(directory, limit).map_err(failed)?;
        let newest = watch::Sender::new(log.newest);
        Ok(Self(Arc::new(Shared { directory: directory.into(), newest, log: Mutex::new(log) })))
    }

    /// The number of the newest fact that is on the disk.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// Numbers them and puts them on the disk.
    pub async fn append(&self, facts: Vec<Vec<u8>>) -> Result<(), FactError> {
        self.on_disk(move |shared, log| {
            let newest = log.append(&shared.directory, &facts)?;
            shared.newest.send_replace(newest);
            Ok(())
        })
        .await
    }

    /// Up to `limit` facts after the one with this number, in order; there may be gaps.
    pub async fn read(&self, after: u64, limit: usize) -> Result<Vec<NumberedFact>, FactError> {
        self.on_disk(move |shared, log| log.read(&shared.directory, after, limit)).await
    }

    /// Region has everything up to this number.
    pub async fn recorded(&self, upto: u64) -> Result<(), FactError> {
        self.on_disk(move |shared, log| log.forget(&shared.directory, upto)).await
    }

    /// How many were dropped that region has not recorded, since the start.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Log) -> io::Result<T> + Send + 'static,
    ) -> Result<T, FactError> {
        let shared = Arc::clone(&self.0);
        let path = shared.directory.clone();
        let done = spawn_blocking(move || work(&shared, &mut shared.lock())).await;
        let done = done.map_err(|_| FactError::BrokenOff)?;
        done.map_err(|source| FactError::Io { path, source })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn open(directory: &Path, limit: u64) -> io::Result<Self> {
        let mut firsts = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let first = name.and_then(|name| name.parse::<u64>().ok());
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                firsts.extend(first);
            }
        }
        firsts.sort_unstable();
        let (mut segments, mut newest) = (VecDeque::new(), 0);
        for first in firsts {
            let bytes = fs::read(path(directory, first))?;
            let (mut size, mut last) = (0, first.saturating_sub(1));
            for (number, end, _) in frames(&bytes) {
                (size, last) = (end as u64, number);
            }
            newest = last.max(newest);
            segments.push_back(Segment { first, size });
        }
        if segments.is_empty() {
            segments.push_back(Segment { first: newest + 1, size: 0 });
        }
        let last = segments[segments.len() - 1];
        let file = create(directory, last.first)?;
        file.set_len(last.size)?;
        Ok(Self { segments, file, limit, newest, recorded: 0, dropped: 0 })
    }

    /// All of them or none; returns the number of the newest.
    fn append(&mut self, directory: &Path, facts: &[Vec<u8>]) -> io::Result<u64> {
        let mut bytes = Vec::new();
        for (number, fact) in (self.newest + 1..).zip(facts) {
            write_frame(number, fact, &mut bytes);
        }
        let last = self.segments[self.segments.len() - 1];
        if last.size > 0 && last.size + bytes.len() as u64 > self.limit / SEGMENTS {
            let segment = Segment { first: self.newest + 1, size: 0 };
            self.file = create(directory, segment.first)?;
            self.segments.push_back(segment);
        }
        let at = self.segments.len() - 1;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What is half there is cut off, else nothing after it could be read.
            let _ = self.file.set_len(self.segments[at].size);
            return Err(error);
        }
        self.segments[at].size += bytes.len() as u64;
        self.newest += facts.len() as u64;
        self.drop_oldest(directory)?;
        Ok(self.newest)
    }

    fn drop_oldest(&mut self, directory: &Path) -> io::Result<()> {
        while self.segments.iter().map(|segment| segment.size).sum::<u64>() > self.limit
            && let [oldest, next, ..] = self.segments.make_contiguous()
        {
            let (first, next) = (oldest.first, next.first);
            durable::remove(&path(directory, first))?;
            self.segments.pop_front();
            self.dropped += next.saturating_sub(first.max(self.recorded + 1));
        }
        Ok(())
    }

    fn forget(&mut self, directory: &Path, upto: u64) -> io::Result<()> {
        self.recorded = self.recorded.max(upto);
        while let [oldest, next, ..] = self.segments.make_contiguous()
            && next.first <= self.recorded + 1
        {
            let first = oldest.first;
            durable::remove(&path(directory, first))?;
            self.segments.pop_front();
        }
        Ok(())
    }

    fn read(&self, directory: &Path, after: u64, limit: usize) -> io::Result<Vec<NumberedFact>> {
        let mut facts = Vec::new();
        let start = self.segments.iter().rposition(|segment| segment.first <= after + 1);
        for segment in self.segments.iter().skip(start.unwrap_or(0)) {
            let bytes = fs::read(path(directory, segment.first))?;
            let new =
                frames(&bytes).filter(|(number, ..)| (after + 1..=self.newest).contains(number));
            let room = limit - facts.len();
            facts.extend(new.take(room).map(|(number, _, fact)| (number, fact.to_vec())));
            if facts.len() >= limit {
                break;
            }
        }
        Ok(facts)
    }
}

fn path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.{EXTENSION}"))
}

fn create(directory: &Path, first: u64) -> io::Result<File> {
    let path = path(directory, first);
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}

fn write_frame(number: u64, fact: &[u8], bytes: &mut Vec<u8>) {
    let length = u32::try_from(fact.len()).expect("a fact is a small message");
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(number, fact).to_le_bytes());
    bytes.extend_from_slice(fact);
}

fn checksum(number: u64, fact: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(fact);
    hasher.finalize()
}

/// Each with its number and where it ends, up to the first that is not whole.
fn frames(bytes: &[u8]) -> impl Iterator<Item = (u64, usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let (head, rest) = rest.split_at_checked(HEAD)?;
        let number = u64::from_le_bytes(head[..8].try_into().ok()?);
        let length = u32::from_le_bytes(head[8..12].try_into().ok()?) as usize;
        let expected = u32::from_le_bytes(head[12..].try_into().ok()?);
        let fact = rest.get(..length)?;
        at += HEAD + length;
        (checksum(number, fact) == expected).then_some((number, at, fact))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|number| format!("fact {number}").into_bytes()).collect()
    }

    async fn numbers(log: &FactLog, after: u64) -> Vec<u64> {
        log.read(after, 1000).await.unwrap().into_iter().map(|(number, _)| number).collect()
    }

    #[tokio::test]
    async fn facts_are_numbered_kept_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let open = || FactLog::open(folder.path(), 1 << 20).unwrap();
        let log = open();
        assert_eq!(*log.newest().borrow(), 0);
        log.append(facts(3)).await.unwrap();
        log.append(facts(2)).await.unwrap();
        assert_eq!(*log.newest().borrow(), 5);
        assert_eq!(log.read(3, 1).await.unwrap(), [(4, b"fact 0".to_vec())]);
        // also after a restart, and numbers go on even when all is recorded
        let log = open();
        assert_eq!(numbers(&log, 0).await, [1, 2, 3, 4, 5]);
        log.recorded(5).await.unwrap();
        let log = open();
        log.append(facts(1)).await.unwrap();
        assert_eq!(numbers(&log, 5).await, [6]);
    }

    #[tokio::test]
    async fn the_oldest_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let log = FactLog::open(folder.path(), 16 * 100).unwrap();
        for _ in 0..200 {
            log.append(facts(1)).await.unwrap();
        }
        let kept = numbers(&log, 0).await;
        assert_eq!(kept.last(), Some(&200));
        assert_eq!(kept.len() as u64 + log.dropped(), 200);
        assert!((50..80).contains(&kept.len()), "{}", kept.len());
        // what region has recorded is not missed
        log.recorded(200).await.unwrap();
        let dropped = log.dropped();
        assert!(numbers(&log, 0).await.len() <= 4);
        log.append(facts(4)).await.unwrap();
        assert_eq!((numbers(&log, 200).await.len(), log.dropped()), (4, dropped));
    }

    #[tokio::test]
    async fn a_torn_end_is_cut_off() {
        for cut in 1..HEAD + 6 {
            let folder = tempfile::tempdir().unwrap();
            let log = FactLog::open(folder.path(), 1 << 20).unwrap();
            log.append(facts(3)).await.unwrap();
            drop(log);
            let file = path(folder.path(), 1);
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() - cut]).unwrap();
            let log = FactLog::open(folder.path(), 1 << 20).unwrap();
            assert_eq!(numbers(&log, 0).await, [1, 2], "{cut}");
            log.append(facts(1)).await.unwrap();
            assert_eq!(numbers(&log, 0).await, [1, 2, 3], "{cut}");
        }
    }
}
