//! Server-sent events: which kinds changed, each message with its cursor as id. The page then asks for itself again.

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use std::{collections::BTreeSet, convert::Infallible, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::{Stream, wrappers::ReceiverStream};

use super::{Console, Fault, query::Query, visitor::Visitor};
use crate::{
    auth::may_see,
    events::{Cursor, FollowError, Follower},
    operations::OperationError,
};

/// A browser that does not read is waited for here, and not in memory.
const AHEAD: usize = 4;
/// At most four messages a second to a page.
const PACE: Duration = Duration::from_millis(250);

type Messages = mpsc::Sender<Result<Event, Infallible>>;

pub(super) async fn events(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let region = console.region;
    // The browser knows better than the address where it was.
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let asked = query.get("after").parse::<Cursor>().ok();
    let (follower, cursor) = match last.or(asked) {
        Some(cursor) => (region.log.follow(cursor), cursor.to_string()),
        None => (region.log.follow_from_now().await.map_err(OperationError::from)?, String::new()),
    };
    let topics = query.get("topics").split(',').filter(|kind| may_see(&visitor.actor, kind));
    let topics: BTreeSet<String> = topics.map(str::to_owned).collect();
    let (to, from) = mpsc::channel(AHEAD);
    let shutdown = region.tasks.shutdown();
    region.tasks.spawn_brief("console live", async move {
        tokio::select! {
            () = follow(follower, cursor, &topics, &to) => {}
            () = to.closed() => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(Sse::new(ReceiverStream::new(from)).keep_alive(KeepAlive::default()))
}

async fn follow(
    mut follower: Follower,
    mut cursor: String,
    topics: &BTreeSet<String>,
    to: &Messages,
) {
    let hello = Event::default().id(&cursor).event("live").data("on");
    if to.send(Ok(hello)).await.is_err() {
        return;
    }
    loop {
        let mut changed = BTreeSet::new();
        let outcome = gather(&mut follower, topics, &mut changed, &mut cursor).await;
        if !changed.is_empty() {
            let names: Vec<String> = changed.into_iter().collect();
            let message = Event::default().id(&cursor).event("changed").data(names.join(","));
            if to.send(Ok(message)).await.is_err() {
                return;
            }
        }
        match outcome {
            Ok(()) => {}
            Err(FollowError::Compacted { .. }) => {
                let _ = to.send(Ok(Event::default().event("reset").data("on"))).await;
                return;
            }
            // The browser comes back by itself, with its cursor.
            Err(error) => {
                tracing::debug!(%error, "a page's live stream ended");
                return;
            }
        }
    }
}

/// Waits for the first change that the page shows, then for what else comes at the same pace.
async fn gather(
    follower: &mut Follower,
    topics: &BTreeSet<String>,
    changed: &mut BTreeSet<String>,
    cursor: &mut String,
) -> Result<(), FollowError> {
    let mut until: Option<Instant> = None;
    loop {
        let event = match until {
            None => follower.next().await?,
            Some(until) => match tokio::time::timeout_at(until, follower.next()).await {
                Ok(event) => event?,
                Err(_) => return Ok(()),
            },
        };
        if topics.contains(&event.kind) || topics.contains("event") {
            let kind = if topics.contains(&event.kind) { &event.kind } else { "event" };
            changed.insert(kind.to_owned());
            *cursor = event.cursor.to_string();
            until.get_or_insert_with(|| Instant::now() + PACE);
        }
    }
}
