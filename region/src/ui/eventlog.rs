//! The log: what happened, in one order, nothing missing.

use askama::Template;
use axum::{extract::State, response::Response};
use common::{Objection, Timestamp};
use prost_reflect::DynamicMessage;
use proto::{
    describe::{self, meta},
    masks, v1,
};
use std::collections::HashMap;

use super::{
    Console, Fault,
    cells::{self, Cell, Tone},
    export::{self, Format},
    frame::{self, Frame},
    query::Query,
    racks::time,
    visitor::Visitor,
    words::{self, Moment},
};
use crate::{
    events::{self, Cursor},
    operations::{OperationError, Tx, event, list::Page},
};

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    filter: String,
    objections: Vec<Objection>,
    chips: Vec<(&'static str, String, bool)>,
    csv: String,
    json: String,
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
    pub(super) actor: Cell,
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
    if let Some(format) = Format::of(query.get("as")) {
        let kind = describe::kind("event").expect("the contract has events");
        return export::pages((console, visitor), kind, as_any, request, format);
    }
    let now = console.region.clock.now();
    let read = console.region.read(&visitor.actor, move |tx| {
        let cursor = events::horizon(tx.conn)?.cursor;
        match event::list(tx, &request) {
            Err(OperationError::Refused(objections)) => Ok((cursor, None, objections)),
            page => {
                let page = page?;
                let lines = lines(tx, &page.items, now)?;
                Ok((cursor, Some((lines, page.next_page_token)), Vec::new()))
            }
        }
    });
    let (cursor, page, objections) = read.await?;
    let (lines, next) = page.unwrap_or_default();
    let filter = query.get("filter").to_owned();
    let chip = |(name, value): (&'static str, &str)| {
        (name, query.with(&[("filter", value), ("after", "")]), filter == value)
    };
    let after = query.get("after");
    let new = query.get("since").parse().ok().map(|since| newer(&lines, since));
    let frame = Frame::new(&visitor, &[("Events", "/events")], now).command(command(&filter));
    // A page further back is not the live one.
    let frame = if after.is_empty() { frame.live(&["event"], cursor) } else { frame };
    frame::render(&EventsPage {
        frame,
        chips: CHIPS.map(chip).into(),
        csv: query.with(&[("as", "csv"), ("after", ""), ("since", "")]),
        json: query.with(&[("as", "json"), ("after", ""), ("since", "")]),
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
    tx: &mut Tx<'_>,
    filter: &str,
    count: i32,
) -> Result<Vec<EventLine>, OperationError> {
    let request =
        v1::ListRequest { page_size: count, filter: filter.into(), ..v1::ListRequest::default() };
    let (now, page) = (tx.now, event::list(tx, &request)?);
    lines(tx, &page.items, now)
}

fn as_any(
    tx: &mut Tx<'_>,
    request: &v1::ListRequest,
) -> Result<Page<DynamicMessage>, OperationError> {
    let page = event::list(tx, request)?;
    let items = page.items.iter().map(masks::to_dynamic).collect();
    Ok(Page { items, next_page_token: page.next_page_token })
}

fn lines(
    tx: &mut Tx<'_>,
    events: &[v1::Event],
    now: Timestamp,
) -> Result<Vec<EventLine>, OperationError> {
    let mut racks = Racks::default();
    events.iter().map(|event| Ok(line(event, racks.actor(tx, event)?, now))).collect()
}

fn line(event: &v1::Event, actor: Cell, now: Timestamp) -> EventLine {
    let gone = event.r#type.ends_with(".deleted");
    let what = match describe::kind(about(event)) {
        Some(kind) if !gone && !event.key.is_empty() => {
            Cell::Link(cells::page_of(&kind.noun, &event.key), cells::name(kind, &event.key))
        }
        _ => Cell::Text(event.key.clone()),
    };
    EventLine {
        id: event.meta.as_ref().map(|meta| meta.id.clone()).unwrap_or_default(),
        at: Moment::clock(time(event.at).unwrap_or(now), now),
        kind: Cell::State(tone(event), event.r#type.clone()),
        what,
        detail: detail(event),
        actor,
    }
}

/// A generation's epoch means something to programs alone.
fn detail(event: &v1::Event) -> String {
    if event.kind == "lease" && event.detail.is_empty() {
        return client(event).unwrap_or_default();
    }
    let of_scope =
        event.r#type.strip_prefix("scope.").and_then(|_| event.detail.split_once(" at "));
    let Some((scope, rest)) = of_scope else { return event.detail.clone() };
    let (generation, more) = rest.split_at(rest.find([' ', ':', ',']).unwrap_or(rest.len()));
    match generation.split_once('.') {
        Some((_, number)) => format!("{scope}, generation {number}{more}"),
        None => event.detail.clone(),
    }
}

/// Who has the address, or had it.
fn client(event: &v1::Event) -> Option<String> {
    let lease: v1::Lease = event.body.as_ref()?.to_msg().ok()?;
    let known = [lease.host_name, lease.mac].into_iter().filter(|word| !word.is_empty());
    Some(known.collect::<Vec<_>>().join(", "))
}

/// A rack acts under its id; people know it by its key.
#[derive(Default)]
struct Racks(HashMap<String, Cell>);

impl Racks {
    fn actor(&mut self, tx: &mut Tx<'_>, event: &v1::Event) -> Result<Cell, OperationError> {
        let Some(id) = event.actor.strip_prefix("rack ") else {
            return Ok(Cell::Muted(event.actor.clone()));
        };
        if let Some(known) = self.0.get(id) {
            return Ok(known.clone());
        }
        let cell = match super::resource("rack").get(tx, id) {
            Ok(rack) => Cell::Muted(meta(&rack, "key")),
            Err(OperationError::NotFound { .. }) => Cell::Muted("a rack that is gone".into()),
            Err(error) => return Err(error),
        };
        self.0.insert(id.to_owned(), cell.clone());
        Ok(cell)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_said_by_its_number() {
        for (name, said, expected) in [
            ("scope.applied", "dhcp dc1/10 at 1795417236.5", "dhcp dc1/10, generation 5"),
            ("scope.refused", "dns at 1795417236.12: no: at all", "dns, generation 12: no: at all"),
            ("scope.applied", "dhcp at night", "dhcp at night"),
            ("lease.bound", "seen at 1795417236.5", "seen at 1795417236.5"),
            ("scope.standby", "", ""),
        ] {
            let (r#type, detail_of) = (name.to_owned(), said.to_owned());
            let event = v1::Event { r#type, detail: detail_of, ..v1::Event::default() };
            assert_eq!(detail(&event), expected);
        }
    }
}
