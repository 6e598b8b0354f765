//! The one reader of a process: reads what is new and hands it to every follower.

use runtime::{backoff::Backoff, tasks::Tasks};
use std::{sync::Arc, time::Duration};

use super::{Batch, Cursor, Log, after, horizon, newest};
use crate::db::{DbError, OpenError};

/// Should no bell be heard, it looks by itself this often.
const LOOK: Duration = Duration::from_secs(1);
/// While a transaction of somebody else hides what is written already, it looks again soon.
const SOON: Duration = Duration::from_millis(5);
const BATCH: i64 = 500;

pub(super) async fn spawn(log: &Log, tasks: &Tasks) -> Result<(), OpenError> {
    let start = log.db.read(|conn| horizon(conn).map(|horizon| horizon.cursor)).await?;
    let (log, shutdown) = (log.clone(), tasks.shutdown());
    tasks.spawn("event tail", async move {
        tokio::select! {
            () = run(&log, start) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(())
}

async fn run(log: &Log, mut position: Cursor) {
    let mut bell = log.bell.rung.subscribe();
    let mut soon = Backoff::new(SOON, LOOK);
    let mut healthy = true;
    loop {
        bell.mark_unchanged();
        let wait = match read(log, &mut position).await {
            Ok(Seen::More) => continue,
            Ok(Seen::All) => {
                soon.reset();
                LOOK
            }
            Ok(Seen::Hidden) => soon.next(),
            Err(error) => {
                if healthy {
                    tracing::warn!(%error, "the event log cannot be read");
                }
                healthy = false;
                // No bell makes a database come back sooner.
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        if !healthy {
            tracing::info!("the event log can be read again");
            healthy = true;
        }
        let _ = tokio::time::timeout(wait, bell.changed()).await;
    }
}

enum Seen {
    More,
    All,
    /// Something may be committed behind a transaction that still runs.
    Hidden,
}

async fn read(log: &Log, position: &mut Cursor) -> Result<Seen, DbError> {
    let from = *position;
    match log.db.read(move |conn| after(conn, from, BATCH)).await? {
        // Nobody wants all of the log again: followers of the old life learn of the new one from its newest event, and read for themselves.
        Batch::Compacted(_) => {
            *position = log.db.read(|conn| newest(conn, 1)).await?;
            Ok(Seen::Hidden)
        }
        Batch::Events(found, horizon) => {
            let more = found.len() as i64 == BATCH;
            let last = found.last().map_or(from, |event| event.cursor);
            *position = if more { last } else { last.max(horizon.cursor) };
            for event in found {
                // Nobody listening is no loss.
                let _ = log.tail.send(Arc::new(event));
            }
            Ok(match (more, horizon.settled) {
                (true, _) => Seen::More,
                (false, true) => Seen::All,
                (false, false) => Seen::Hidden,
            })
        }
    }
}
