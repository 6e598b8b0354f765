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

#[cfg(test)]
mod tests {
    use super::*;
    use engine::output::{Link, To};
    use std::{net::Ipv4Addr, thread};

    fn slot() -> Slot {
        Slot::new(Arc::new(Wake::new().unwrap()))
    }

    /// A lease with its ACK behind an OFFER that has left already.
    fn decided(revision: u64) -> Batch {
        let mut batch = Batch::new();
        batch.out.bytes.extend(b"offer");
        let ack = format!("ack {revision}");
        batch.out.late.push(Reply {
            link: Link(0),
            from: Ipv4Addr::LOCALHOST,
            to: To::Broadcast,
            start: 5,
            len: u32::try_from(ack.len()).unwrap(),
        });
        batch.out.bytes.extend(ack.bytes());
        batch.out.log.extend(format!("<{revision}>").bytes());
        (batch.out.records, batch.out.revision) = (1, revision);
        batch
    }

    #[test]
    fn what_gathers_during_a_sync_is_one_commit() {
        let slot = slot();
        for revision in 1..=3 {
            let mut batch = decided(revision);
            assert!(!slot.put(&mut batch));
            assert!(batch.is_empty() && batch.out.bytes.is_empty(), "as it was made");
        }
        let mut taken = Batch::new();
        assert!(slot.take(&mut taken));
        assert_eq!((taken.out.records, taken.out.revision), (3, 3));
        assert!(taken.out.log.ends_with(b"<1><2><3>"));
        let acks: Vec<_> = taken.out.late.iter().map(|ack| taken.out.payload(ack)).collect();
        assert_eq!(acks, [b"ack 1", b"ack 2", b"ack 3"]);
    }

    #[test]
    fn at_the_bound_the_one_that_fills_waits_for_room() {
        let slot = slot();
        let puts = 1 + (1..).position(|revision| slot.put(&mut decided(revision))).unwrap();
        assert_eq!((puts, slot.is_full()), (BOUND, true));
        assert!(slot.take(&mut Batch::new()));
        assert!(!slot.is_full());
        let mut woken = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(&*slot.room),
            nix::poll::PollFlags::POLLIN,
        )];
        assert_eq!(nix::poll::poll(&mut woken, 0_u8), Ok(1));
    }

    #[test]
    fn the_end_comes_after_what_is_left() {
        let slot = slot();
        slot.put(&mut decided(1));
        slot.end();
        let mut batch = Batch::new();
        assert!(slot.take(&mut batch));
        batch.begin();
        assert!(!slot.take(&mut batch));
    }

    #[test]
    fn a_commit_waits_for_something_to_do() {
        let slot = slot();
        thread::scope(|scope| {
            let taker = scope.spawn(|| {
                let mut batch = Batch::new();
                slot.take(&mut batch).then_some(batch.out.revision)
            });
            assert!(!slot.put(&mut Batch::new()), "nothing is nothing to do");
            slot.put(&mut decided(7));
            assert_eq!(taker.join().unwrap(), Some(7));
        });
    }
}
