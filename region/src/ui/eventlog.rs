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
    words::Moment,
};
use crate::{
    events,
    operations::{OperationError, event},
};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    filter: String,
    objections: Vec<Objection>,
    chips: Vec<(&'static str, String, bool)>,
    cursor: String,
    lines: Vec<EventLine>,
    first: Option<String>,
    next: Option<String>,
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
    let frame = Frame::new(&visitor, &[("Events", "/events")], now).command(command(&filter));
    // A page further back is not the live one.
    let frame = if after.is_empty() { frame.live(&["event"], cursor) } else { frame };
    frame::render(&EventsPage {
        frame,
        chips: CHIPS.map(chip).into(),
        cursor: cursor.to_string(),
        lines: items.iter().map(|event| line(event, now)).collect(),
        first: (!after.is_empty()).then(|| query.with(&[("after", "")])),
        next: (!next.is_empty()).then(|| query.with(&[("after", &next)])),
        filter,
        objections,
    })
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
        filter => format!("hostler event list --filter '{filter}' --watch"),
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
    let what = match describe::kind(&event.kind) {
        Some(_) if !gone && !event.key.is_empty() => {
            Cell::Link(cells::page_of(&event.kind, &event.key), event.key.clone())
        }
        _ => Cell::Text(event.key.clone()),
    };
    EventLine {
        id: event.meta.as_ref().map(|meta| meta.id.clone()).unwrap_or_default(),
        at: Moment::clock(time(event.at).unwrap_or(now), now),
        kind: Cell::State(tone(event), event.r#type.clone()),
        what,
        detail: event.detail.clone(),
        actor: event.actor.clone(),
    }
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
