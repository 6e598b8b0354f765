//! Names and making of the files of the log.

use super::super::durable;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Segments are made in pieces of this size, each synced, so that a commit beside it waits for one of them at most.
const PIECE: usize = 256 << 10;

pub(super) fn segment(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("segment-{number:010}"))
}

pub(super) fn snapshot(directory: &Path) -> PathBuf {
    directory.join("snapshot")
}

/// Where a snapshot is written before it counts.
pub(super) fn unfinished_snapshot(directory: &Path) -> PathBuf {
    directory.join("snapshot.unfinished")
}

/// What region has recorded.
pub(super) fn recorded(directory: &Path) -> PathBuf {
    directory.join("recorded")
}

/// The numbers of all segments that are there, in order.
pub(super) fn segments(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("segment-"));
        numbers.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A segment all of whose blocks are written: only then does a sync cost no journal commit.
pub(super) fn make_segment(directory: &Path, number: u64, bytes: u64) -> io::Result<File> {
    let path = segment(directory, number);
    let made = write_zeroes(&path, bytes).and_then(|file| sync_directory(directory).map(|()| file));
    if made.is_err() {
        // Half a segment is of no use, and where the disk is full it is in the way.
        let _ = fs::remove_file(&path);
    }
    made
}

/// Gives a segment that nobody needs any more a new life under the next number. What it held stays in it and is told by its lower revisions.
pub(super) fn recycle_segment(directory: &Path, from: u64, to: u64) -> io::Result<File> {
    let path = segment(directory, to);
    // Not used before its new name is durable: under the old one its leases would be skipped.
    durable::rename(&segment(directory, from), &path)?;
    OpenOptions::new().write(true).open(path)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn write_zeroes(path: &Path, bytes: u64) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
    let zeroes = vec![0; PIECE];
    let mut at = 0;
    while at < bytes {
        let piece = usize::try_from(bytes - at).map_or(PIECE, |left| left.min(PIECE));
        file.write_all_at(&zeroes[..piece], at)?;
        file.sync_data()?;
        at += piece as u64;
    }
    file.sync_all()?;
    Ok(file)
}
