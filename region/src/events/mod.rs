//! The append-only log. A cursor never passes a transaction that is still open, so nothing is skipped and no writer waits for another.
//!
//! `rows` is the log in the database; `Log` is its bell and its tail in this process, `Follower` one reader of it; `wake` hears the bells of other
//! processes; `retention` forgets.

mod cursor;
mod follower;
pub mod retention;
mod rows;
mod tail;
mod wake;

pub use cursor::Cursor;
pub use follower::{FollowError, Follower};
pub use rows::{
    Batch, Event, Horizon, NewEvent, after, append, append_many, epoch, find, horizon, newest, now,
    raise_epoch, unread_since,
};
pub(crate) use rows::{Row, level_name, place_is};

use common::Timestamp;
use runtime::tasks::Tasks;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{broadcast, watch};

use crate::db::{Db, DbError, OpenError};

/// How far a reader may be behind before it reads the database instead: some seconds of a busy region, a few megabytes.
const TAIL: usize = 4096;

/// The log's end in this process: whoever commits rings, one reader looks, every follower hears.
#[derive(Clone)]
pub struct Log {
    db: Db,
    bell: Arc<Bell>,
    requests: Arc<Bell>,
    tail: broadcast::Sender<Arc<Event>>,
}

/// Says that there may be something new; never what.
#[derive(Default)]
struct Bell {
    rung: watch::Sender<u64>,
    tell_others: AtomicBool,
}

impl Log {
    pub(crate) async fn open(db: Db, tasks: &Tasks, now: Timestamp) -> Result<Self, OpenError> {
        db.transaction(move |conn| rows::begin_epoch(conn, now)).await?;
        let (bell, requests) = (Arc::default(), Arc::default());
        let log = Self { db, bell, requests, tail: broadcast::Sender::new(TAIL) };
        wake::spawn(&log, tasks)?;
        tail::spawn(&log, tasks).await?;
        Ok(log)
    }

    /// After a commit of this process.
    pub fn ring(&self) {
        self.bell.ring();
    }

    /// Requests between region processes have a bell of their own: they are few, and the log's may ring all day.
    pub fn ring_requests(&self) {
        self.requests.ring();
    }

    /// Changes when there may be a request, or an answer to one.
    pub fn requests(&self) -> watch::Receiver<u64> {
        self.requests.rung.subscribe()
    }

    /// Every event after `from`, in order, each once, as they become visible.
    pub fn follow(&self, from: Cursor) -> Follower {
        // Before the first look at the database, so that nothing falls between.
        Follower::new(self.db.clone(), self.tail.subscribe(), from)
    }

    /// Every event that is not visible yet.
    pub async fn follow_from_now(&self) -> Result<Follower, DbError> {
        let follower = self.tail.subscribe();
        let from = self.db.read(|conn| horizon(conn).map(|horizon| horizon.cursor)).await?;
        Ok(Follower::new(self.db.clone(), follower, from))
    }
}

impl Bell {
    /// Here, and in other processes.
    fn ring(&self) {
        self.tell_others.store(true, Ordering::Release);
        self.sound();
    }

    fn sound(&self) {
        self.rung.send_modify(|count| *count += 1);
    }
}
