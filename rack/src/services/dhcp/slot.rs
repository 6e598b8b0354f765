//! Between the thread that decides and the one that commits: one batch, open to the first until the second takes it.
//!
//! That is the whole of group commit: while one batch is synced the next one grows, as long as the disk takes and no longer.

use engine::{
    dhcp::ReleaseError,
    lease::record,
    output::{Outputs, Send as Reply},
};
use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

use super::ports::Ports;
use crate::{net::wake::Wake, store::leases::Piece};

/// Answers that may wait for a sync. More brought nothing, and at the bound the sockets' buffers take a storm, where it can be shed.
const BOUND: usize = 512;

/// Answers who asked for a lease to be released.
pub(super) type Released = oneshot::Sender<Result<(), ReleaseError>>;

/// What is to be done once its records are on the disk, in this order.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) out: Outputs,
    /// Of a snapshot whose leases the records tell of.
    pub(super) pieces: Vec<Piece>,
    /// Who waits for a lease to be released.
    pub(super) releases: Vec<Released>,
    /// What the replies' interfaces are.
    pub(super) ports: Arc<Ports>,
}

pub(super) struct Slot {
    state: Mutex<State>,
    filled: Condvar,
    /// Tells the one that fills that there is room again.
    room: Arc<Wake>,
}

struct State {
    batch: Batch,
    ended: bool,
}

impl Batch {
    pub(super) fn new() -> Self {
        let mut batch = Self::default();
        batch.out.begin();
        batch
    }

    /// As it was made; memory is kept.
    pub(super) fn begin(&mut self) {
        self.out.begin();
        self.pieces.clear();
        self.releases.clear();
    }

    fn is_empty(&self) -> bool {
        let Self { out, pieces, releases, .. } = self;
        out.records == 0 && out.late.is_empty() && pieces.is_empty() && releases.is_empty()
    }

    fn is_full(&self) -> bool {
        self.out.late.len() >= BOUND || self.out.records as usize >= BOUND
    }

    /// Appends what `other` holds.
    fn append(&mut self, other: &mut Self) {
        let Outputs { log, records, revision, late, bytes, .. } = &mut self.out;
        if other.out.records > 0 {
            record::append(log, &other.out.log);
            *records += other.out.records;
            *revision = other.out.revision;
        }
        for reply in &other.out.late {
            let start = u32::try_from(bytes.len()).expect("a batch is bounded far below 4 GiB");
            bytes.extend_from_slice(other.out.payload(reply));
            late.push(Reply { start, ..*reply });
        }
        self.pieces.append(&mut other.pieces);
        self.releases.append(&mut other.releases);
        self.ports = Arc::clone(&other.ports);
    }
}

impl Slot {
    pub(super) fn new(room: Arc<Wake>) -> Self {
        let state = State { batch: Batch::new(), ended: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), room }
    }

    /// Hands a batch over and leaves it as it was made. True: nothing more may be put until there is room.
    pub(super) fn put(&self, batch: &mut Batch) -> bool {
        if batch.is_empty() {
            batch.begin();
            return false;
        }
        let mut state = self.state();
        let is_first = state.batch.is_empty();
        if is_first {
            mem::swap(&mut state.batch, batch);
        } else {
            state.batch.append(batch);
        }
        let is_full = state.batch.is_full();
        drop(state);
        if is_first {
            self.filled.notify_one();
        }
        batch.begin();
        is_full
    }

    pub(super) fn is_full(&self) -> bool {
        self.state().batch.is_full()
    }

    /// Waits for a batch and takes it for an empty one. False: nothing comes any more.
    pub(super) fn take(&self, batch: &mut Batch) -> bool {
        let mut state = self.state();
        while state.batch.is_empty() {
            if state.ended {
                return false;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        mem::swap(&mut state.batch, batch);
        drop(state);
        if batch.is_full() {
            self.room.wake();
        }
        true
    }

    /// What is in it may still be taken; nothing is put any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.filled.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
