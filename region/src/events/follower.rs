use std::{collections::VecDeque, sync::Arc};
use tokio::sync::broadcast;

use super::{Batch, Cursor, Event, after};
use crate::db::{Db, DbError};

/// One reader of the log. It hears the tail, and reads the database only while it starts or has fallen behind.
pub struct Follower {
    db: Db,
    tail: broadcast::Receiver<Arc<Event>>,
    /// Everything up to here was answered or is in `read`.
    position: Cursor,
    read: VecDeque<Arc<Event>>,
    behind: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error("the log no longer reaches back to this cursor; it begins at {floor}")]
    Compacted { floor: Cursor },
    #[error("the log is closed")]
    Closed,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What is read at once: large enough to catch up, small enough to hold.
const BATCH: i64 = 500;

impl Follower {
    /// `tail` was subscribed to before `from` was taken or looked up.
    pub(super) fn new(db: Db, tail: broadcast::Receiver<Arc<Event>>, from: Cursor) -> Self {
        Self { db, tail, position: from, read: VecDeque::new(), behind: true }
    }

    /// The next event. May be dropped and called again; after an error of the database too.
    pub async fn next(&mut self) -> Result<Arc<Event>, FollowError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            match self.tail.recv().await {
                Ok(event) if event.cursor.epoch != self.position.epoch => {
                    return Err(FollowError::Compacted {
                        floor: Cursor::start(event.cursor.epoch),
                    });
                }
                Ok(event) if event.cursor <= self.position => {}
                Ok(event) => {
                    self.position = event.cursor;
                    return Ok(event);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return Err(FollowError::Closed),
            }
        }
    }

    /// Whether everything that was visible when last looked has been answered.
    pub fn is_current(&self) -> bool {
        !self.behind && self.read.is_empty()
    }

    /// Reads a batch. The tail said nothing later than what this can see, so going on with the tail after it leaves nothing out.
    async fn catch_up(&mut self) -> Result<(), FollowError> {
        let from = self.position;
        match self.db.read(move |conn| after(conn, from, BATCH)).await? {
            Batch::Compacted(floor) => Err(FollowError::Compacted { floor }),
            Batch::Events(found, horizon) => {
                let last = found.last().map_or(from, |event| event.cursor);
                self.behind = found.len() as i64 == BATCH;
                self.position = if self.behind { last } else { last.max(horizon.cursor) };
                self.read.extend(found.into_iter().map(Arc::new));
                Ok(())
            }
        }
    }
}
