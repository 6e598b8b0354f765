//! What the log holds after a restart, whatever ended the process before.
//!
//! A frame that is not whole at the end of the newest segment is the torn tail: it was never synced, so nothing was promised by it, and it is
//! dropped. Whole frames beyond one that is not are damage: they count, and what is missing is reported.

use engine::lease::record::{self, Frame};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{files, frame, snapshot::Header};

/// A place where the log cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    pub file: PathBuf,
    /// Numbers of the records (in a snapshot: of the frames) that are missing.
    pub first: u64,
    pub last: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, first, last } = self;
        write!(f, "{} is damaged: {first} to {last} are missing", file.display())
    }
}

/// A segment that holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) number: u64,
    /// Revision of its first record; none were written when the process ended.
    pub(super) first: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// Revision of the newest record.
    pub(super) newest: u64,
    /// Segments before this one are not needed beside the snapshot.
    pub(super) needed: u64,
    /// In order of their numbers.
    pub(super) used: Vec<Used>,
    /// Made, and not begun.
    pub(super) unused: Vec<u64>,
    pub(super) damage: Vec<Damage>,
}

/// Hands out all records, in an order in which the last one of an address tells its state.
pub(super) fn replay(directory: &Path, mut each: impl FnMut(&Frame<'_>)) -> io::Result<Replayed> {
    let mut found = Replayed::default();
    let mut next = read_snapshot(directory, &mut found, &mut each)?;
    for number in files::segments(directory)? {
        let path = files::segment(directory, number);
        if number < found.needed {
            found.used.push(Used { number, first: first_revision(&path)? });
            continue;
        }
        let bytes = fs::read(&path)?;
        let before = next;
        let mut first = None;
        let gaps = scan(&bytes, &mut next, revisions, |frame| {
            first.get_or_insert(frame.sequence);
            each(frame);
        });
        found.damage.extend(gaps.into_iter().map(|gap| gap.damage(&path)));
        if next > before {
            // A process that ended without a commit left an empty one behind.
            let skipped = std::mem::take(&mut found.unused);
            found.used.extend(skipped.into_iter().map(|number| Used { number, first: None }));
            found.used.push(Used { number, first });
        } else {
            found.unused.push(number);
        }
    }
    found.newest = found.newest.max(next - 1);
    Ok(found)
}

/// The revision that the first segment beside the snapshot begins with.
fn read_snapshot(
    directory: &Path,
    found: &mut Replayed,
    each: &mut impl FnMut(&Frame<'_>),
) -> io::Result<u64> {
    let path = files::snapshot(directory);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(1),
        Err(error) => return Err(error),
    };
    let header = Header::read(&bytes);
    let (mut complete, mut next) = (false, 1);
    let leases = bytes.get(Header::SIZE..).unwrap_or_default();
    let gaps = scan(
        leases,
        &mut next,
        |_| 1,
        |frame| {
            complete = frame.count == 0;
            each(frame);
        },
    );
    found.damage.extend(gaps.into_iter().map(|gap| gap.damage(&path)));
    if header.is_none() || !complete {
        found.damage.push(Damage { file: path, first: next, last: u64::MAX });
    }
    // Without its header all segments that are left are read, from the first.
    let header = header.unwrap_or(Header { needed: 0, first: 1, newest: 0 });
    found.needed = header.needed;
    found.newest = header.newest;
    Ok(header.first)
}

struct Gap {
    first: u64,
    last: u64,
}

impl Gap {
    fn damage(self, file: &Path) -> Damage {
        Damage { file: file.into(), first: self.first, last: self.last }
    }
}

fn revisions(frame: &Frame<'_>) -> u64 {
    frame.count.into()
}

/// Whole frames from number `next` on; `next` is then what comes after the last one. A frame takes as many numbers as `width` says.
fn scan(
    bytes: &[u8],
    next: &mut u64,
    width: impl Fn(&Frame<'_>) -> u64,
    mut each: impl FnMut(&Frame<'_>),
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut at = 0;
    while let Some((frame, end)) = frame::find(bytes, at, *next) {
        if frame.sequence > *next {
            gaps.push(Gap { first: *next, last: frame.sequence - 1 });
        }
        each(&frame);
        *next = frame.sequence + width(&frame);
        at = end;
    }
    gaps
}

fn first_revision(path: &Path) -> io::Result<Option<u64>> {
    /// More than the first commit of a segment takes, but for a mass of expiries.
    const ENOUGH: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let mut file = File::open(path)?;
    for part in [ENOUGH, u64::MAX] {
        file.by_ref().take(part).read_to_end(&mut bytes)?;
        if let Some(frame) = record::read_frame(&bytes) {
            return Ok(Some(frame.sequence));
        }
    }
    Ok(None)
}
