//! The log: what happened, in one order, nothing missing.

use askama::Template;
use axum::{extract::State, response::Response};
use common::{Objection, Timestamp};
use proto::{describe, v1};

use super::{
    Console, Fault,
    cells::{self, Cell, Tone},
    frame::{self, Frame},
    query::Query,
    racks::time,
    visitor::Visitor,
    words::{self, Moment},
};
use crate::{
    events::{self, Cursor},
    operations::{OperationError, event},
};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    filter: String,
    objections: Vec<Objection>,
    chips: Vec<(&'static str, String, bool)>,
    /// Of this page's newest; a link with it marks what was new since.
    cursor: String,
    mark_here: String,
    /// How many lines are above the mark that the address asks for.
    new: Option<usize>,
    lines: Vec<EventLine>,
    first: Option<String>,
    next: Option<String>,
}

impl EventsPage {
    /// The mark stands above this line.
    fn is_marked(&self, line: &usize) -> bool {
        self.new == Some(*line)
    }
}

/// One event as a row.
pub(super) struct EventLine {
    pub(super) id: String,
    pub(super) at: Moment,
    pub(super) kind: Cell,
    pub(super) what: Cell,
    pub(super) detail: String,
    pub(super) actor: String,
}

const CHIPS: [(&str, &str); 6] = [
    ("All", ""),
    ("Warnings", "level=warning"),
    ("Errors", "level=error"),
    ("Leases", "kind=lease"),
    ("Racks", "kind=rack"),
    ("Subnets", "kind=subnet"),
];

const PAGE: i32 = 60;

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Fault> {
    let request = request(&query);
    let read = console.region.read(&visitor.actor, move |tx| {
        let cursor = events::now(tx.conn)?;
        match event::list(tx, &request) {
            Err(OperationError::Refused(objections)) => Ok((cursor, None, objections)),
            page => Ok((cursor, Some(page?), Vec::new())),
        }
    });
    let (cursor, page, objections) = read.await?;
    let now = console.region.clock.now();
    let (items, next) =
        page.map_or_else(Default::default, |page| (page.items, page.next_page_token));
    let filter = query.get("filter").to_owned();
    let chip = |(name, value): (&'static str, &str)| {
        (name, query.with(&[("filter", value), ("after", "")]), filter == value)
    };
    let after = query.get("after");
    let lines: Vec<EventLine> = items.iter().map(|event| line(event, now)).collect();
    let new = query.get("since").parse().ok().map(|since| newer(&lines, since));
    let frame = Frame::new(&visitor, &[("Events", "/events")], now).command(command(&filter));
    // A page further back is not the live one.
    let frame = if after.is_empty() { frame.live(&["event"], cursor) } else { frame };
    frame::render(&EventsPage {
        frame,
        chips: CHIPS.map(chip).into(),
        mark_here: query.with(&[("since", &cursor.to_string()), ("after", "")]),
        cursor: cursor.to_string(),
        new,
        lines,
        first: (!after.is_empty()).then(|| query.with(&[("after", "")])),
        next: (!next.is_empty()).then(|| query.with(&[("after", &next)])),
        filter,
        objections,
    })
}

/// How many came after this place in the log.
fn newer(lines: &[EventLine], since: Cursor) -> usize {
    let is_newer = |line: &&EventLine| line.id.parse::<Cursor>().is_ok_and(|at| at > since);
    lines.iter().take_while(is_newer).count()
}

fn request(query: &Query) -> v1::ListRequest {
    let typed = query.get("filter").trim();
    let plain = !typed.is_empty() && !typed.contains(['=', '<', '>', '~']);
    v1::ListRequest {
        page_size: PAGE,
        page_token: query.get("after").into(),
        filter: if plain { format!("key~{typed}") } else { typed.into() },
        order_by: String::new(),
    }
}

fn command(filter: &str) -> String {
    match filter {
        "" => "hostler event list --watch".into(),
        filter => format!("hostler event list --filter {} --watch", words::shell(filter)),
    }
}

/// The newest that pass a filter.
pub(super) fn newest(
    tx: &mut crate::operations::Tx<'_>,
    filter: &str,
    count: i32,
) -> Result<Vec<EventLine>, OperationError> {
    let request =
        v1::ListRequest { page_size: count, filter: filter.into(), ..v1::ListRequest::default() };
    let now = tx.now;
    Ok(event::list(tx, &request)?.items.iter().map(|event| line(event, now)).collect())
}

fn line(event: &v1::Event, now: Timestamp) -> EventLine {
    let gone = event.r#type.ends_with(".deleted");
    let what = match describe::kind(about(event)) {
        Some(kind) if !gone && !event.key.is_empty() => {
            Cell::Link(cells::page_of(&kind.noun, &event.key), event.key.clone())
        }
        _ => Cell::Text(event.key.clone()),
    };
    EventLine {
        id: event.meta.as_ref().map(|meta| meta.id.clone()).unwrap_or_default(),
        at: Moment::clock(time(event.at).unwrap_or(now), now),
        kind: Cell::State(tone(event), event.r#type.clone()),
        what,
        detail: event.detail.clone(),
        actor: actor(event),
    }
}

/// A rack acts under its id; where the event is about a rack, that is the one.
fn actor(event: &v1::Event) -> String {
    match event.actor.strip_prefix("rack ") {
        Some(_) if about(event) == "rack" => event.key.clone(),
        Some(id) => format!("rack {}…", id.chars().take(8).collect::<String>()),
        None => event.actor.clone(),
    }
}

/// The kind of what its key names. How far a rack is has none in the log, since the rack itself has not changed.
fn about(event: &v1::Event) -> &str {
    let of_rack = event.kind.is_empty() && event.r#type.starts_with("scope.");
    if of_rack { "rack" } else { &event.kind }
}

fn tone(event: &v1::Event) -> Tone {
    match (event.level.as_str(), event.r#type.as_str()) {
        ("error", _) => Tone::Bad,
        ("warning", _) => Tone::Warn,
        (_, "lease.bound" | "scope.applied" | "rack.connected" | "rack.joined") => Tone::Ok,
        (_, "lease.expired" | "lease.released") => Tone::Off,
        _ => Tone::Info,
    }
}
