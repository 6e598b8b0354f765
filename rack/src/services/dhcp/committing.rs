//! The thread that makes leases durable, and only then lets the answers leave.

use std::{io, sync::Arc, time::Instant};

use super::{
    meter::Meter,
    slot::{Batch, Slot},
};
use crate::{
    net::send::Sender,
    store::leases::{Commit, LogWriter},
};

pub(super) struct Committer {
    pub(super) slot: Arc<Slot>,
    pub(super) log: LogWriter,
    pub(super) meter: Arc<Meter>,
}

impl Committer {
    /// Until nothing comes any more, or the disk fails.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut sender = Sender::new();
        let mut batch = Batch::new();
        while self.slot.take(&mut batch) {
            if self.commit(&mut batch)? == Commit::Ended {
                break;
            }
            for piece in batch.pieces.drain(..) {
                self.log.add(piece);
            }
            let refused = batch.ports.send(&mut sender, &batch.out.bytes, &batch.out.late);
            self.meter.count_refused(refused);
            for released in batch.releases.drain(..) {
                // Who waited may have given up.
                let _ = released.send(Ok(()));
            }
            batch.begin();
        }
        Ok(())
    }

    fn commit(&mut self, batch: &mut Batch) -> io::Result<Commit> {
        let out = &mut batch.out;
        if out.records == 0 {
            return Ok(Commit::Durable);
        }
        let first = out.revision + 1 - u64::from(out.records);
        let begun = Instant::now();
        let commit = self.log.commit(&mut out.log, first, out.records)?;
        self.meter.count_commit(begun.elapsed(), out.records, out.log.len());
        Ok(commit)
    }
}
