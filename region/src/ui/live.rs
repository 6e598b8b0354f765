//! Server-sent events: which kinds changed, each message with its cursor as id. The page then asks for itself again.

use axum::{
    extract::State,
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use common::Generation;
use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};

use super::{Console, Fault, query::Query, visitor::Visitor};
use crate::{
    auth::may_see,
    events::{self, Cursor, FollowError, Follower},
    operations::OperationError,
};

/// A browser that does not read is waited for here, and not in memory.
const AHEAD: usize = 4;
/// At most four messages a second to a page.
const PACE: Duration = Duration::from_millis(250);
/// What each open page adds to everybody's pace once there are many: each message makes a page ask for itself again.
const PACE_OF_ONE: Duration = Duration::from_millis(10);

/// The pages that are open now.
#[derive(Clone, Default)]
pub(super) struct Audience(Arc<AtomicU32>);

/// One of them, until it goes.
struct Seat(Audience);

impl Audience {
    fn enter(&self) -> Seat {
        self.0.fetch_add(1, Ordering::Relaxed);
        Seat(self.clone())
    }
}

impl Seat {
    fn pace(&self) -> Duration {
        PACE.max(PACE_OF_ONE * self.0.0.load(Ordering::Relaxed))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

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
    let topics = topics.map(str::to_owned).collect();
    let (to, from) = mpsc::channel(AHEAD);
    let (mut stamped, verdicts) =
        (region.configurations.published(), region.configurations.verdicts());
    // Of what came between the page and this stream nothing tells, unlike of events.
    stamped.mark_changed();
    let seat = console.audience.enter();
    let page = Page { follower, topics, cursor, seat, stamped, verdicts };
    let shutdown = region.tasks.shutdown();
    region.tasks.spawn_brief("console live", async move {
        tokio::select! {
            () = page.follow(&to) => {}
            () = to.closed() => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(Sse::new(ReceiverStream::new(from)).keep_alive(KeepAlive::default()))
}

/// What a page asks for that shows how far racks are; events of that begin with it.
const SCOPES: &str = "scope";

/// What changed: a kind of resource, else what the event's name begins with.
fn topic(event: &events::Event) -> &str {
    match event.kind.as_str() {
        "" => event.name.split('.').next().unwrap_or_default(),
        kind => kind,
    }
}

/// One that is open in a browser.
struct Page {
    follower: Follower,
    topics: BTreeSet<String>,
    /// Of the newest change that it was told of.
    cursor: String,
    seat: Seat,
    /// What region wants of racks, and what they say of it: no event tells of the one, and not always of the other.
    stamped: watch::Receiver<Generation>,
    verdicts: watch::Receiver<u64>,
}

enum News {
    Event(Arc<events::Event>),
    Scopes,
}

impl Page {
    async fn follow(mut self, to: &Messages) {
        let hello = Event::default().id(&self.cursor).event("live").data("on");
        if to.send(Ok(hello)).await.is_err() {
            return;
        }
        loop {
            let mut changed = BTreeSet::new();
            let outcome = self.gather(&mut changed).await;
            if !changed.is_empty() {
                let names: Vec<String> = changed.into_iter().collect();
                let message = Event::default().id(&self.cursor).event("changed");
                if to.send(Ok(message.data(names.join(",")))).await.is_err() {
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
    async fn gather(&mut self, changed: &mut BTreeSet<String>) -> Result<(), FollowError> {
        let mut until: Option<Instant> = None;
        loop {
            let news = match until {
                None => self.news().await?,
                Some(until) => match tokio::time::timeout_at(until, self.news()).await {
                    Ok(news) => news?,
                    Err(_) => return Ok(()),
                },
            };
            let kind = match &news {
                News::Scopes => SCOPES,
                News::Event(event) => match topic(event) {
                    topic if self.topics.contains(topic) => topic,
                    _ if self.topics.contains("event") => "event",
                    _ => continue,
                },
            };
            if !changed.contains(kind) {
                changed.insert(kind.to_owned());
            }
            if let News::Event(event) = &news {
                self.cursor = event.cursor.to_string();
            }
            until.get_or_insert_with(|| Instant::now() + self.seat.pace());
        }
    }

    /// May be dropped and called again.
    async fn news(&mut self) -> Result<News, FollowError> {
        let scopes = self.topics.contains(SCOPES);
        tokio::select! {
            event = self.follower.next() => event.map(News::Event),
            Ok(()) = self.stamped.changed(), if scopes => Ok(News::Scopes),
            Ok(()) = self.verdicts.changed(), if scopes => Ok(News::Scopes),
        }
    }
}
