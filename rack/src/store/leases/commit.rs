//! The end of the log where leases become durable.

use runtime::clock::Clock;
use std::{
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    sync::Arc,
};

use super::{
    frame,
    segments::{Piece, Segments},
};

/// Writes commits, one after the other. After an error other than a full disk it is of no use any more: what a failed sync has or has not made
/// durable cannot be known, and another sync would not say.
pub struct LogWriter {
    segments: Arc<Segments>,
    clock: Clock,
    file: Option<File>,
    at: u64,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Durable,
    /// The log ended before there was room.
    Ended,
}

impl LogWriter {
    pub(super) fn new(segments: Arc<Segments>, clock: Clock) -> Self {
        Self { segments, clock, file: None, at: 0 }
    }

    /// Writes a frame that `record::begin` began, with `count` records of which the first has the revision `first`, and returns when it is on the
    /// disk. Waits as long as the disk is full.
    pub fn commit(&mut self, frame: &mut Vec<u8>, first: u64, count: u32) -> io::Result<Commit> {
        frame::seal(frame, first, count);
        let full = self.at + frame.len() as u64 > self.segments.segment_bytes;
        // A frame that is larger than a segment makes its own grow.
        if self.file.is_none() || (full && self.at > 0) {
            self.file = self.segments.take(first);
            self.at = 0;
        }
        let Some(file) = &self.file else { return Ok(Commit::Ended) };
        let mut waited = false;
        while let Err(error) = file.write_all_at(frame, self.at) {
            if error.kind() != ErrorKind::StorageFull {
                return Err(error);
            }
            waited = true;
            if !self.segments.wait_for_room(self.clock.now()) {
                return Ok(Commit::Ended);
            }
        }
        file.sync_data()?;
        if waited {
            self.segments.has_room();
        }
        self.at += frame.len() as u64;
        self.segments.committed(first + u64::from(count) - 1);
        Ok(Commit::Durable)
    }

    /// Passes leases of a snapshot on, when what they tell is committed.
    pub fn add(&self, piece: Piece) {
        self.segments.add(piece);
    }
}
