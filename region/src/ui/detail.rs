//! The page of any resource: what it is, what belongs to it, how it came to be so.

use askama::Template;
use axum::response::Response;
use common::Timestamp;
use prost_reflect::DynamicMessage;
use proto::{
    describe::{Kind, meta},
    v1,
};

use super::{
    Console, Fault,
    actions::Actions,
    badge::Badge,
    cells::{self, Cell, Pair},
    frame::{self, Frame},
    history::{self, Change},
    query::Query,
    table::{key_label, repeats_key},
    visitor::Visitor,
    words,
};
use crate::{
    events,
    operations::{OperationError, Tx, effects::naming, erased::AnyResource},
};

#[derive(Template)]
#[template(path = "detail.html")]
struct DetailPage {
    frame: Frame,
    key: String,
    about: String,
    badge: Option<Badge>,
    pairs: Vec<Pair>,
    related: Vec<Related>,
    changes: Vec<Change>,
    actions: Actions,
    made: Vec<Pair>,
}

/// What names this resource.
pub(super) struct Related {
    title: String,
    all: String,
    head: Vec<String>,
    rows: Vec<(Cell, Vec<Cell>)>,
    more: bool,
}

const FEW: i32 = 8;

pub(super) async fn show(
    console: Console,
    visitor: Visitor,
    query: Query,
    (resource, key): (&'static dyn AnyResource, String),
) -> Result<Response, Fault> {
    let now = console.region.clock.now();
    let read = console.region.read(&visitor.actor, move |tx| {
        let cursor = events::horizon(tx.conn)?.cursor;
        let item = resource.get(tx, &key)?;
        let changes = history::of(tx, resource.kind(), &item, now)?;
        let related = related(tx, resource.kind(), &meta(&item, "key"), now)?;
        let badge = badge(tx, resource.kind(), &item)?;
        Ok((cursor, item, changes, related, badge))
    });
    let (cursor, item, changes, related, badge) = read.await?;
    let (kind, key) = (resource.kind(), meta(&item, "key"));
    let list = format!("/{}", kind.plural);
    let racks = badge.is_some().then_some(["rack", "scope"]).into_iter().flatten();
    let topics: Vec<&str> = std::iter::once(kind.noun.as_str())
        .chain(racks)
        .chain(naming(kind).map(|(other, _)| other.kind().noun.as_str()))
        .collect();
    let frame = Frame::new(&visitor, &[(&words::label(&kind.plural), &list), (&key, "")], now)
        .command(format!("hostler {} get {key}", kind.spoken()))
        .live(&topics, cursor);
    frame::render(&DetailPage {
        frame,
        about: kind.about.clone(),
        badge,
        pairs: cells::pairs(kind, &item, now),
        related,
        changes,
        actions: Actions::of(&visitor, kind, &query, pointless(&item)),
        made: made(&item, now),
        key,
    })
}

/// How far the racks are with a VLAN; None: with no other kind.
fn badge(
    tx: &mut Tx<'_>,
    kind: &Kind,
    item: &DynamicMessage,
) -> Result<Option<Badge>, OperationError> {
    if kind.noun != "vlan" {
        return Ok(None);
    }
    Badge::of_vlan(tx, &meta(item, "key"))
}

/// A lease that is over is not released.
pub(super) fn pointless(item: &DynamicMessage) -> &'static [&'static str] {
    let state = item.get_field_by_name("state").map(|state| proto::describe::show(&state));
    match state.as_deref() {
        None | Some("bound") => &[],
        Some(_) => &["release"],
    }
}

/// What region itself keeps of every resource.
pub(super) fn made(item: &DynamicMessage, now: Timestamp) -> Vec<Pair> {
    let meta_of = item.get_field_by_name("meta");
    let time = |name: &str| {
        let message = meta_of.as_ref()?.as_message()?;
        let at = cells::timestamp(&*message.get_field_by_name(name)?)?;
        Some(Cell::Time(words::Moment::clock(at, now)))
    };
    let pair = |label: &str, cell: Cell| Pair { label: label.into(), hint: String::new(), cell };
    [
        Some(pair("Revision", Cell::Text(meta(item, "revision")))),
        time("created_at").map(|cell| pair("Created", cell)),
        time("updated_at").map(|cell| pair("Updated", cell)),
        Some(pair("ID", Cell::Code(meta(item, "id")))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn related(
    tx: &mut Tx<'_>,
    kind: &'static Kind,
    key: &str,
    now: Timestamp,
) -> Result<Vec<Related>, OperationError> {
    let mut related = Vec::new();
    for (other, field) in naming(kind) {
        let filter = format!("{field}={key}");
        let request =
            v1::ListRequest { page_size: FEW, filter: filter.clone(), ..Default::default() };
        let page = match other.list(tx, &request) {
            // Not for this visitor.
            Err(OperationError::Denied { .. }) => continue,
            page => page?,
        };
        if page.items.is_empty() {
            continue;
        }
        let of = other.kind();
        let shown = of.fields.iter().filter(|other| {
            other.shown == proto::describe::Shown::Column
                && other.name != field
                && !repeats_key(of, other)
        });
        let shown: Vec<_> = shown.take(3).collect();
        let row = |item: &DynamicMessage| {
            let cells = shown.iter().map(|field| cells::of(field, item, now)).collect();
            (cells::key(of, item), cells)
        };
        related.push(Related {
            title: if field == kind.noun.replace('-', "_") {
                words::label(&of.plural)
            } else {
                format!("{}: {}", words::label(&of.plural), words::noun(field))
            },
            all: format!("/{}?filter={}", of.plural, words::encoded(&filter)),
            head: std::iter::once(key_label(of))
                .chain(shown.iter().map(|field| words::label(&field.name)))
                .collect(),
            rows: page.items.iter().map(row).collect(),
            more: !page.next_page_token.is_empty(),
        });
    }
    Ok(related)
}
