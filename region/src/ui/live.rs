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
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, wrappers::ReceiverStream};

use super::{
    Console, Fault,
    bulletin::{self, Bulletin, News},
    query::Query,
    visitor::Visitor,
};
use crate::{
    Region,
    auth::may_see,
    db::DbError,
    events::{self, Batch, Cursor},
    operations::OperationError,
};

/// A browser that does not read is waited for here, and not in memory.
const AHEAD: usize = 4;
/// At most four messages a second to a page.
const PACE: Duration = Duration::from_millis(250);
/// What each open page adds to everybody's pace once there are many: each message makes a page ask for itself again.
const PACE_OF_ONE: Duration = Duration::from_millis(10);

/// While there is nothing to tell. A page that misses two of them takes its line for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

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
    let cursor = match last.or(asked) {
        Some(cursor) => cursor,
        None => {
            let now = region.db.read(|conn| Ok::<_, DbError>(events::horizon(conn)?.cursor));
            now.await.map_err(OperationError::from)?
        }
    };
    let topics = query.get("topics").split(',').filter(|kind| may_see(&visitor.actor, kind));
    let topics = topics.map(str::to_owned).collect();
    let (to, from) = mpsc::channel(AHEAD);
    let (mut stamped, verdicts) =
        (region.configurations.published(), region.configurations.verdicts());
    // Of what came between the page and this stream nothing tells, unlike of events.
    stamped.mark_changed();
    let (bulletin, seat) = (console.bulletin, console.audience.enter());
    let page = Page {
        region: region.clone(),
        bulletin,
        topics,
        cursor,
        changed: BTreeSet::new(),
        seat,
        stamped,
        verdicts,
    };
    let shutdown = region.tasks.shutdown();
    region.tasks.spawn_brief("console live", async move {
        tokio::select! {
            () = page.follow(&to) => {}
            () = to.closed() => {}
            () = shutdown.cancelled() => {}
        }
    });
    let alive = Event::default().event("alive").data("on");
    let keep_alive = KeepAlive::new().interval(SIGN_OF_LIFE).event(alive);
    Ok(Sse::new(ReceiverStream::new(from)).keep_alive(keep_alive))
}

/// What a page asks for that shows how far racks are; events of that begin with it.
const SCOPES: &str = "scope";
/// Of a page that was away for longer, everything is told again.
const MISSED: i64 = 1000;

/// One that is open in a browser.
struct Page {
    region: Region,
    bulletin: Bulletin,
    topics: BTreeSet<String>,
    /// Everything up to here it was told of, or is about to be.
    cursor: Cursor,
    /// What it is told next.
    changed: BTreeSet<String>,
    seat: Seat,
    /// What region wants of racks, and what they say of it: no event tells of the one, and not always of the other.
    stamped: watch::Receiver<Generation>,
    verdicts: watch::Receiver<u64>,
}

/// Why a stream ends.
enum End {
    /// The browser went away.
    Gone,
    /// The log does not reach back as far as the page does.
    Compacted,
    Unread(DbError),
}

impl Page {
    async fn follow(mut self, to: &Messages) {
        match self.tell(to).await {
            Ok(never) => match never {},
            Err(End::Gone) => {}
            Err(End::Compacted) => {
                let _ = to.send(Ok(Event::default().event("reset").data("on"))).await;
            }
            // The browser comes back by itself, with its cursor.
            Err(End::Unread(error)) => tracing::debug!(%error, "a page's live stream ended"),
        }
    }

    async fn tell(&mut self, to: &Messages) -> Result<Infallible, End> {
        self.send(to, ("live", "on".into())).await?;
        loop {
            self.look().await?;
            if self.changed.is_empty() {
                self.wait().await;
                continue;
            }
            // What else comes at the same pace is told with it.
            tokio::time::sleep(self.seat.pace()).await;
            self.look().await?;
            let names: Vec<String> = std::mem::take(&mut self.changed).into_iter().collect();
            self.send(to, ("changed", names.join(","))).await?;
        }
    }

    async fn send(&self, to: &Messages, (event, data): (&str, String)) -> Result<(), End> {
        let message = Event::default().id(self.cursor.to_string()).event(event).data(data);
        to.send(Ok(message)).await.map_err(|_| End::Gone)
    }

    /// Notes what changed since it looked last.
    async fn look(&mut self) -> Result<(), End> {
        match self.bulletin.news(&self.topics, self.cursor) {
            News::None => {}
            News::Changed(topics, upto) => {
                self.changed.extend(topics);
                self.cursor = upto;
            }
            News::Unknown => self.ask().await?,
        }
        if self.topics.contains(SCOPES)
            && (stirred(&mut self.stamped) | stirred(&mut self.verdicts))
        {
            self.changed.insert(SCOPES.into());
        }
        Ok(())
    }

    /// Until there may be something new.
    async fn wait(&mut self) {
        let scopes = self.topics.contains(SCOPES);
        tokio::select! {
            () = self.bulletin.changed() => {}
            Ok(()) = self.stamped.changed(), if scopes => drop(self.changed.insert(SCOPES.into())),
            Ok(()) = self.verdicts.changed(), if scopes => drop(self.changed.insert(SCOPES.into())),
        }
    }

    /// What this process did not hear, from the log itself.
    async fn ask(&mut self) -> Result<(), End> {
        let from = self.cursor;
        let read = self.region.db.read(move |conn| events::after(conn, from, MISSED));
        match read.await.map_err(End::Unread)? {
            Batch::Compacted(_) => Err(End::Compacted),
            Batch::Events(found, horizon) => {
                let missed = found.iter().map(bulletin::topic);
                let missed = missed.filter_map(|topic| bulletin::called(topic, &self.topics));
                self.changed.extend(missed.map(str::to_owned));
                if found.len() as i64 == MISSED {
                    self.changed.extend(self.topics.iter().cloned());
                }
                self.cursor = found.last().map_or(from, |last| last.cursor).max(horizon.cursor);
                Ok(())
            }
        }
    }
}

/// Whether it changed since it was looked at last.
fn stirred<T>(of: &mut watch::Receiver<T>) -> bool {
    let changed = of.has_changed().unwrap_or_default();
    of.mark_unchanged();
    changed
}
