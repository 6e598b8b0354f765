//! All leases at about one moment, so that older segments need not be kept for them.
//!
//! Leases are taken from the table a few at a time while it goes on changing. That is right because each is taken as it was after the segment
//! `needed` was begun, and all that changed from then on is replayed over it.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

use engine::lease::record;

use super::{super::durable, files, frame};

/// What a snapshot begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The first segment to be replayed over the snapshot.
    pub(super) needed: u64,
    /// The revision that it begins with.
    pub(super) first: u64,
    /// The newest that was on the disk when the snapshot was begun.
    pub(super) newest: u64,
}

impl Header {
    pub(super) const SIZE: usize = 32;

    /// None if it is not whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (header, _) = bytes.split_first_chunk::<{ Self::SIZE }>()?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| header[at + i]));
        let found = Self { needed: number(0), first: number(8), newest: number(16) };
        (*header == found.bytes()).then_some(found)
    }

    /// Three numbers and their CRC-32.
    fn bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        for (at, number) in [self.needed, self.first, self.newest].into_iter().enumerate() {
            bytes[at * 8..][..8].copy_from_slice(&number.to_le_bytes());
        }
        let checksum = u64::from(crc32fast::hash(&bytes[..24]));
        bytes[24..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// A snapshot that is being written, beside the one that counts.
pub(super) struct SnapshotWriter {
    file: File,
    at: u64,
    frames: u64,
    pub(super) header: Header,
}

impl SnapshotWriter {
    pub(super) fn begin(directory: &Path, header: Header) -> io::Result<Self> {
        let file = File::create(files::unfinished_snapshot(directory))?;
        file.write_all_at(&header.bytes(), 0)?;
        Ok(Self { file, at: Header::SIZE as u64, frames: 0, header })
    }

    /// Leases in a frame that `record::begin` began.
    pub(super) fn write(&mut self, frame: &mut Vec<u8>, count: u32) -> io::Result<()> {
        self.frames += 1;
        frame::seal(frame, self.frames, count);
        self.file.write_all_at(frame, self.at)?;
        self.at += frame.len() as u64;
        Ok(())
    }

    /// Marks the end by a frame of no leases; from now on this snapshot is the one that counts.
    pub(super) fn finish(mut self, directory: &Path) -> io::Result<()> {
        let mut end = Vec::new();
        record::begin(&mut end);
        self.write(&mut end, 0)?;
        self.file.sync_all()?;
        durable::rename(&files::unfinished_snapshot(directory), &files::snapshot(directory))
    }
}
