//! The audit trail: who changed what, and why.

use askama::Template;
use axum::{body::Bytes, extract::State, response::Response};
use common::Timestamp;
use futures_util::stream;
use proto::describe;
use serde_json::json;
use uuid::Uuid;

use super::{
    Console, Fault,
    cells::{self, Cell},
    export::{Format, quoted},
    frame::{self, Frame},
    history::{self, Change, Line},
    query::Query,
    visitor::Visitor,
    words,
};
use crate::{
    auth::{Actor, may_see},
    events,
    operations::audit::{self, Place, Wanted},
    resources,
};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    actor: String,
    key: String,
    /// Noun, what it is called, whether it is the one asked for.
    kinds: Vec<(&'static str, String, bool)>,
    is_filtered: bool,
    entries: Vec<Entry>,
    csv: String,
    json: String,
    first: Option<String>,
    next: Option<String>,
}

struct Entry {
    kind: String,
    object: Cell,
    change: Change,
}

const PAGE: i64 = 50;
const PAGE_OF_A_FILE: i64 = 1000;

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Fault> {
    let wanted = wanted(&query);
    if let Some(format) = Format::of(query.get("as")) {
        return Ok(file(console, visitor, Wanted { before: None, ..wanted }, format));
    }
    let asked = wanted.clone();
    let read = console.region.read(&visitor.actor, move |tx| {
        Ok((events::horizon(tx.conn)?.cursor, audit::newest(tx.conn, &asked)?))
    });
    let (cursor, rows) = read.await?;
    let now = console.region.clock.now();
    let full = rows.len() as i64 == PAGE;
    let next = rows.last().filter(|_| full).map(|row| written(&row.place()));
    let entries = rows.into_iter().filter(|row| may_see(&visitor.actor, &row.kind));
    let entries = entries.filter_map(|row| entry(row, now));
    let nouns: Vec<&'static str> = nouns(&visitor.actor).collect();
    let kind = |noun: &&'static str| (*noun, words::noun(noun), *noun == wanted.kind);
    frame::render(&AuditPage {
        is_filtered: [&wanted.actor, &wanted.kind, &wanted.key].iter().any(|one| !one.is_empty()),
        kinds: nouns.iter().map(kind).collect(),
        entries: entries.collect(),
        csv: query.with(&[("as", "csv"), ("after", "")]),
        json: query.with(&[("as", "json"), ("after", "")]),
        first: wanted.before.as_ref().map(|_| query.with(&[("after", "")])),
        next: next.map(|place| query.with(&[("after", &place)])),
        frame: Frame::new(&visitor, &[("Audit", "/audit")], now).live(&nouns, cursor),
        actor: wanted.actor,
        key: wanted.key,
    })
}

fn nouns(actor: &Actor) -> impl Iterator<Item = &'static str> {
    let nouns = resources::TABLE.iter().map(|resource| resource.kind().noun.as_str());
    nouns.filter(|noun| may_see(actor, noun))
}

fn wanted(query: &Query) -> Wanted {
    let word = |name: &str| query.get(name).trim().to_owned();
    Wanted {
        actor: word("actor"),
        kind: word("kind"),
        key: word("key"),
        before: read(query.get("after")),
        limit: PAGE,
    }
}

/// A place of the trail in an address.
fn written(place: &Place) -> String {
    format!("{}.{}", place.at, place.id.simple())
}

fn read(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    Some(Place { at: at.parse().ok()?, id: id.parse::<Uuid>().ok()? })
}

fn entry(row: audit::Entry, now: Timestamp) -> Option<Entry> {
    let kind = describe::kind(&row.kind)?;
    let object = if row.change.verb == "delete" {
        Cell::Text(row.key)
    } else {
        Cell::Link(cells::page_of(&row.kind, &row.key), row.key)
    };
    let change = history::shown(kind, &row.change, now);
    Some(Entry { kind: words::noun(&row.kind), object, change })
}

/// Everything that the filter lets through, read part by part as the browser takes it.
fn file(console: Console, visitor: Visitor, wanted: Wanted, format: Format) -> Response {
    let wanted = Wanted { limit: PAGE_OF_A_FILE, ..wanted };
    let parts = stream::try_unfold(Some((wanted, Sheet::new(format))), move |at| {
        let (console, visitor) = (console.clone(), visitor.clone());
        async move {
            let Some((wanted, mut sheet)) = at else { return Ok(None) };
            let asked = wanted.clone();
            let read =
                console.region.read(&visitor.actor, move |tx| Ok(audit::newest(tx.conn, &asked)?));
            let rows = read.await?;
            let before = rows.last().map(audit::Entry::place);
            let last = (rows.len() as i64) < PAGE_OF_A_FILE;
            rows.iter()
                .filter(|row| may_see(&visitor.actor, &row.kind))
                .for_each(|row| sheet.add(row));
            let text = sheet.take(last);
            let next = (!last).then_some((Wanted { before, ..wanted }, sheet));
            Ok(Some((Bytes::from(text), next)))
        }
    });
    format.download("audit", parts)
}

/// A file as far as it is not sent yet.
struct Sheet {
    format: Format,
    text: String,
    is_begun: bool,
}

const COLUMNS: [&str; 7] = ["at", "actor", "verb", "kind", "key", "difference", "message"];

impl Sheet {
    fn new(format: Format) -> Self {
        let text = match format {
            Format::Csv => format!("{}\r\n", COLUMNS.join(",")),
            Format::Json => "[".into(),
        };
        Self { format, text, is_begun: false }
    }

    fn add(&mut self, row: &audit::Entry) {
        let Some(kind) = describe::kind(&row.kind) else { return };
        let (change, at) = (&row.change, Timestamp::from_micros(row.change.at));
        let versions = [&change.before, &change.after].map(|bytes| history::message(kind, bytes));
        let lines = match &versions {
            [Some(before), Some(after)] => history::difference(kind, before, after),
            _ => Vec::new(),
        };
        let said = |line: &Line| format!("{}: {:?} -> {:?}", line.field, line.before, line.after);
        let difference: Vec<String> = lines.iter().map(said).collect();
        let difference = difference.join("; ");
        let at = words::exact(at);
        let values =
            [&at, &change.actor, &change.verb, &row.kind, &row.key, &difference, &change.message];
        match self.format {
            Format::Csv => {
                self.text += &values.map(|value| quoted(value)).join(",");
                self.text += "\r\n";
            }
            Format::Json => {
                let object: serde_json::Map<_, _> = COLUMNS
                    .into_iter()
                    .zip(values)
                    .map(|(name, value)| (name.to_owned(), json!(value)))
                    .collect();
                let between = if self.is_begun { ",\n" } else { "" };
                self.text += &format!("{between}{}", serde_json::Value::Object(object));
            }
        }
        self.is_begun = true;
    }

    fn take(&mut self, last: bool) -> String {
        if last && self.format == Format::Json {
            self.text += "]\n";
        }
        std::mem::take(&mut self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_address() {
        let place = Place { at: 1_795_400_000_000_000, id: Uuid::from_u128(7) };
        assert_eq!(read(&written(&place)), Some(place));
        for text in ["", "7", "x.7", "7.x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
