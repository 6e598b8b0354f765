//! The thread beside the commits: makes segments ahead of their use, writes snapshots, and frees what nobody needs any more.

use runtime::clock::Clock;
use std::{
    fs,
    io::{self, ErrorKind},
    sync::Arc,
};

use super::{
    super::durable,
    files,
    segments::{Job, Part, Piece, SPARES, Segments},
    snapshot::{Header, SnapshotWriter},
};

/// Makes segments, writes snapshots, frees segments.
pub struct Housekeeper {
    segments: Arc<Segments>,
    clock: Clock,
    snapshot: Option<SnapshotWriter>,
}

impl Housekeeper {
    pub(super) fn new(segments: Arc<Segments>, clock: Clock) -> Self {
        Self { segments, clock, snapshot: None }
    }

    /// Until the log ends, or the disk fails otherwise than by being full.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            let job = self.segments.next_job();
            let ends = matches!(job, Job::End);
            match self.perform(job) {
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    self.segments.full(self.clock.now());
                }
                done => done?,
            }
            if ends {
                return Ok(());
            }
        }
    }

    fn perform(&mut self, job: Job) -> io::Result<()> {
        let Segments { directory, segment_bytes, .. } = &*self.segments;
        match job {
            Job::End => self.save_recorded(self.segments.last_recorded())?,
            Job::Make(number) => {
                let file = files::make_segment(directory, number, *segment_bytes)?;
                self.segments.made(number, file);
            }
            Job::Recycle { from, to } => {
                let _alone = self.segments.change_files();
                let length = fs::metadata(files::segment(directory, from))?.len();
                if length == *segment_bytes {
                    let file = files::recycle_segment(directory, from, to)?;
                    self.segments.recycled(from, to, file);
                } else {
                    // Made by another setting, or for one frame that was larger.
                    self.delete(from)?;
                }
            }
            Job::Delete(number) => {
                let _alone = self.segments.change_files();
                self.delete(number)?;
            }
            Job::SaveRecorded(upto) => self.save_recorded(upto)?,
            Job::Write(part) => return self.write(part),
        }
        Ok(())
    }

    fn save_recorded(&self, upto: u64) -> io::Result<()> {
        let path = files::recorded(&self.segments.directory);
        let saved = durable::write(&path, &upto.to_le_bytes());
        self.segments.recorded_saved(upto);
        match saved {
            // Region says it again when it is asked; freeing segments must not wait for room on the disk.
            Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
            saved => saved,
        }
    }

    fn delete(&self, number: u64) -> io::Result<()> {
        fs::remove_file(files::segment(&self.segments.directory, number))?;
        self.segments.deleted(number);
        Ok(())
    }

    /// A snapshot that finds the disk full is given up; the rest of it is passed over.
    fn write(&mut self, part: Part) -> io::Result<()> {
        let written = match part {
            Part::Begin(header) => self.begin_snapshot(header),
            Part::Leases(piece) => self.write_piece(piece),
        };
        if written.is_err() {
            self.snapshot = None;
            let _ = fs::remove_file(files::unfinished_snapshot(&self.segments.directory));
        }
        written
    }

    fn begin_snapshot(&mut self, header: Header) -> io::Result<()> {
        self.snapshot = Some(SnapshotWriter::begin(&self.segments.directory, header)?);
        Ok(())
    }

    fn write_piece(&mut self, mut piece: Piece) -> io::Result<()> {
        self.segments.piece_written();
        let written = match &mut self.snapshot {
            Some(snapshot) if piece.count > 0 => snapshot.write(&mut piece.frame, piece.count),
            _ => Ok(()),
        };
        if !piece.last {
            return written;
        }
        let Some(snapshot) = self.snapshot.take().filter(|_| written.is_ok()) else {
            self.segments.snapshot_failed();
            return written;
        };
        let needed = snapshot.header.needed;
        let finished = snapshot.finish(&self.segments.directory);
        match finished {
            Ok(()) => self.segments.snapshot_done(needed),
            Err(_) => self.segments.snapshot_failed(),
        }
        finished
    }

    /// Before the first commit: made beside the load they would hold it up. A disk that is full now may have room by then.
    pub(super) fn make_spares(&mut self) -> io::Result<()> {
        while self.segments.spares() <= SPARES {
            match self.perform(Job::Make(self.segments.next_number())) {
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    self.segments.full(self.clock.now());
                    break;
                }
                made => made?,
            }
        }
        Ok(())
    }
}
