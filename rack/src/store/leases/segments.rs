//! Which files make up the log. Shared by the thread that commits, the one that keeps house, the one that decides, and the outbox.

use common::Timestamp;
use std::{
    collections::VecDeque,
    fs::File,
    path::PathBuf,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

use super::{
    LogSettings,
    replay::{Replayed, Used},
    snapshot::Header,
};

/// Made before the first commit, besides the segment that it begins. A snapshot is begun when two segments are full and frees them while the third
/// fills, so that as long as region keeps up none need be made beside the load.
pub(super) const SPARES: usize = 3;
/// So many full segments make a snapshot worth its while.
const FULL: usize = 2;
/// How long a full disk is left alone before the next attempt.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Pieces of a snapshot on their way to the disk: enough that neither side waits for the other, and little memory.
const PIECES: usize = 4;

pub(super) struct Segments {
    pub(super) directory: PathBuf,
    pub(super) segment_bytes: u64,
    /// How much is kept for region; none where nothing is owed to one.
    owed_bytes: Option<u64>,
    pub(super) seed: u64,
    /// Called when a snapshot is wanted: wakes the thread that has the leases.
    wake: Box<dyn Fn() + Send + Sync>,
    newest: watch::Sender<u64>,
    state: Mutex<State>,
    changed: Condvar,
    /// Whoever reads files holds it shared; whoever gives one a new life, alone.
    files: RwLock<()>,
    snapshot_wanted: AtomicBool,
    /// Pieces that were taken from the table and are not yet written.
    pieces: AtomicUsize,
}

struct State {
    /// The last is the one that is being written.
    used: VecDeque<Used>,
    spares: VecDeque<(u64, File)>,
    next_number: u64,
    /// Older segments are kept for region only.
    needed: u64,
    snapshot_running: bool,
    parts: VecDeque<Part>,
    recorded: u64,
    recorded_saved: u64,
    full_since: Option<Timestamp>,
    retry_at: Option<Instant>,
    ended: bool,
}

impl State {
    fn note_full(&mut self, now: Timestamp) {
        if self.full_since.is_none() {
            tracing::error!(
                "the disk is full: no lease is acknowledged once the lease log has no room"
            );
            self.full_since = Some(now);
        }
    }

    fn note_room(&mut self) {
        if let Some(since) = self.full_since.take() {
            tracing::info!(%since, "the disk is full no longer");
        }
    }
}

/// Of a snapshot.
pub(super) enum Part {
    Begin(Header),
    Leases(Piece),
}

/// Some leases of a snapshot.
#[derive(Debug, Default)]
pub struct Piece {
    /// Begun by `record::begin`.
    pub frame: Vec<u8>,
    pub count: u32,
    /// No other comes after it.
    pub last: bool,
}

/// What the housekeeping thread should do next.
pub(super) enum Job {
    Write(Part),
    Make(u64),
    Recycle { from: u64, to: u64 },
    Delete(u64),
    SaveRecorded(u64),
    End,
}

/// How the log is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogHealth {
    /// The disk has no room for the next segment.
    pub full_since: Option<Timestamp>,
    /// The current segment included.
    pub segments: usize,
}

impl Segments {
    pub(super) fn new(
        settings: LogSettings,
        replayed: &Replayed,
        spares: VecDeque<(u64, File)>,
        recorded: u64,
    ) -> Self {
        let LogSettings { directory, segment_bytes, owed_bytes, seed, wake } = settings;
        let used: VecDeque<Used> = replayed.used.iter().copied().collect();
        let last =
            spares.back().map(|(number, _)| *number).max(used.back().map(|used| used.number));
        Self {
            directory,
            segment_bytes,
            owed_bytes,
            seed,
            wake,
            newest: watch::Sender::new(replayed.newest),
            state: Mutex::new(State {
                used,
                spares,
                next_number: last.unwrap_or_default().max(replayed.needed) + 1,
                needed: replayed.needed,
                snapshot_running: false,
                parts: VecDeque::new(),
                recorded,
                recorded_saved: recorded,
                full_since: None,
                retry_at: None,
                ended: false,
            }),
            changed: Condvar::new(),
            files: RwLock::new(()),
            snapshot_wanted: AtomicBool::new(false),
            pieces: AtomicUsize::new(0),
        }
    }

    // The thread that commits.

    /// The next segment, for a frame whose first record has this revision; waits while there is none. None when the process ends.
    pub(super) fn take(&self, first: u64) -> Option<File> {
        let mut state = self.state();
        while state.spares.is_empty() && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (number, file) = state.spares.pop_front()?;
        state.used.push_back(Used { number, first: Some(first) });
        self.changed.notify_all();
        Some(file)
    }

    /// Everything up to this revision is on the disk.
    pub(super) fn committed(&self, newest: u64) {
        self.newest.send_replace(newest);
    }

    /// A piece of a snapshot all of whose leases are committed.
    pub(super) fn add(&self, piece: Piece) {
        self.state().parts.push_back(Part::Leases(piece));
        self.changed.notify_all();
    }

    /// A write found no room; returns after a while. False when the process ends.
    pub(super) fn wait_for_room(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        state.note_full(now);
        let waited = self.changed.wait_timeout_while(state, RETRY, |state| !state.ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.ended
    }

    /// A write found room again.
    pub(super) fn has_room(&self) {
        self.state().note_room();
    }

    // The thread that decides.

    pub(super) fn is_snapshot_wanted(&self) -> bool {
        self.snapshot_wanted.load(Ordering::Relaxed)
    }

    /// Begins the snapshot that is wanted. Leases may then be handed in, each as it is after this call.
    pub(super) fn begin_snapshot(&self) {
        // Not what was only decided: after a crash that number would be given out again.
        let newest = *self.newest.borrow();
        let mut state = self.state();
        let Some(current) = state.used.back().copied() else { return };
        let header =
            Header { needed: current.number, first: current.first.unwrap_or(newest + 1), newest };
        state.parts.push_back(Part::Begin(header));
        state.snapshot_running = true;
        self.snapshot_wanted.store(false, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// Whether the disk keeps up with another piece of the snapshot.
    pub(super) fn has_room_for_piece(&self) -> bool {
        self.pieces.load(Ordering::Acquire) < PIECES
    }

    /// The same; and if so, one has to be handed in.
    pub(super) fn reserve_piece(&self) -> bool {
        let free = self.has_room_for_piece();
        if free {
            self.pieces.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    // The outbox.

    pub(super) fn newest(&self) -> &watch::Sender<u64> {
        &self.newest
    }

    pub(super) fn recorded(&self, upto: u64) {
        let mut state = self.state();
        state.recorded = state.recorded.max(upto);
        self.changed.notify_all();
    }

    pub(super) fn last_recorded(&self) -> u64 {
        self.state().recorded
    }

    pub(super) fn is_owed(&self) -> bool {
        self.owed_bytes.is_some()
    }

    /// Files keep their names and contents meanwhile.
    pub(super) fn hold_files(&self) -> RwLockReadGuard<'_, ()> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used(&self) -> Vec<Used> {
        self.state().used.iter().copied().collect()
    }

    pub(super) fn health(&self) -> LogHealth {
        let state = self.state();
        LogHealth { full_since: state.full_since, segments: state.used.len() }
    }

    /// No segment is made, no commit waited for any more.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The housekeeping thread.
impl Segments {
    /// Waits for something to do.
    pub(super) fn next_job(&self) -> Job {
        let mut state = self.state();
        loop {
            if let Some(job) = self.choose_job(&mut state) {
                return job;
            }
            state = match state.retry_at {
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn choose_job(&self, state: &mut State) -> Option<Job> {
        if state.ended {
            return Some(Job::End);
        }
        if let Some(part) = state.parts.pop_front() {
            return Some(Job::Write(part));
        }
        if let Some(from) = self.choose_free(state) {
            // So that after a restart no more is kept than now.
            if state.recorded_saved < state.recorded {
                return Some(Job::SaveRecorded(state.recorded));
            }
            let to = state.next_number;
            let enough = state.spares.len() >= SPARES;
            return Some(if enough { Job::Delete(from) } else { Job::Recycle { from, to } });
        }
        if state.retry_at.is_some_and(|at| at > Instant::now()) {
            return None;
        }
        state.retry_at = None;
        let full = state.used.iter().filter(|used| used.number >= state.needed).count();
        if full > FULL && !state.snapshot_running && !self.is_snapshot_wanted() {
            self.snapshot_wanted.store(true, Ordering::Relaxed);
            (self.wake)();
        }
        state.spares.is_empty().then_some(Job::Make(state.next_number))
    }

    /// The oldest segment, if neither a restart nor region needs it.
    fn choose_free(&self, state: &State) -> Option<u64> {
        let oldest = state.used.front().filter(|used| used.number < state.needed)?;
        let kept = state.used.len() as u64 * self.segment_bytes;
        let last = state.used.iter().skip(1).find_map(|used| used.first).map(|first| first - 1);
        let owed = oldest.first.is_some()
            && last.is_none_or(|last| last > state.recorded)
            && self.owed_bytes.is_some_and(|most| kept <= most);
        (!owed).then_some(oldest.number)
    }

    pub(super) fn change_files(&self) -> RwLockWriteGuard<'_, ()> {
        self.files.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spares(&self) -> usize {
        self.state().spares.len()
    }

    pub(super) fn next_number(&self) -> u64 {
        self.state().next_number
    }

    pub(super) fn made(&self, number: u64, file: File) {
        let mut state = self.state();
        state.spares.push_back((number, file));
        state.next_number = number + 1;
        state.note_room();
        self.changed.notify_all();
    }

    pub(super) fn recycled(&self, from: u64, to: u64, file: File) {
        self.deleted(from);
        self.made(to, file);
    }

    pub(super) fn deleted(&self, number: u64) {
        self.state().used.retain(|used| used.number != number);
    }

    pub(super) fn recorded_saved(&self, upto: u64) {
        self.state().recorded_saved = upto;
    }

    /// Nothing is made for a while.
    pub(super) fn full(&self, now: Timestamp) {
        let mut state = self.state();
        state.note_full(now);
        state.retry_at = Some(Instant::now() + RETRY);
    }

    pub(super) fn piece_written(&self) {
        self.pieces.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn snapshot_done(&self, needed: u64) {
        let mut state = self.state();
        state.needed = needed;
        state.snapshot_running = false;
        state.note_room();
    }

    /// Another is wanted after a while.
    pub(super) fn snapshot_failed(&self) {
        let mut state = self.state();
        state.snapshot_running = false;
        state.retry_at = Some(Instant::now() + RETRY);
    }
}
