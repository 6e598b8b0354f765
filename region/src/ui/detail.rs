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
    cells::{self, Cell, Pair},
    frame::{self, Frame},
    history::{self, Change},
    own,
    query::Query,
    visitor::Visitor,
    words,
};
use crate::{
    auth::Verb,
    events,
    operations::{OperationError, Tx, erased::AnyResource},
    resources,
};

#[derive(Template)]
#[template(path = "detail.html")]
struct DetailPage {
    frame: Frame,
    key: String,
    about: String,
    pairs: Vec<Pair>,
    related: Vec<Related>,
    changes: Vec<Change>,
    edit: Option<String>,
    delete: Option<String>,
    own: Vec<(&'static str, String)>,
    made: Vec<Pair>,
}

/// What names this resource.
pub(super) struct Related {
    title: String,
    all: String,
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
        let cursor = events::now(tx.conn)?;
        let item = resource.get(tx, &key)?;
        let changes = history::of(tx, resource.kind(), &item, now)?;
        let related = related(tx, resource.kind(), &meta(&item, "key"), now)?;
        Ok((cursor, item, changes, related))
    });
    let (cursor, item, changes, related) = read.await?;
    let (kind, key) = (resource.kind(), meta(&item, "key"));
    let list = format!("/{}", kind.plural);
    let topics: Vec<&str> = std::iter::once(kind.noun.as_str())
        .chain(naming(kind).map(|(other, _)| other.kind().noun.as_str()))
        .collect();
    let frame = Frame::new(&visitor, &[(&words::label(&kind.plural), &list), (&key, "")], now)
        .command(format!("hostler {} get {key}", kind.spoken()))
        .live(&topics, cursor);
    let may = |verb| kind.has(&format!("{verb:?}")) && frame::may(&visitor, verb, &kind.noun);
    let edit = may(Verb::Update).then(|| query.with(&[("do", "update")]));
    let own = own::OWN.iter().filter(|own| own.noun == kind.noun);
    let own = own.filter(|own| frame::may(&visitor, own.verb, own.noun));
    let own = own.map(|own| (own.label, query.with(&[("do", own.name)]))).collect();
    let delete = may(Verb::Delete).then(|| query.with(&[("do", "delete")]));
    frame::render(&DetailPage {
        frame,
        about: kind.about.clone(),
        pairs: cells::pairs(kind, &item, now),
        related,
        changes,
        edit,
        delete,
        own,
        made: made(&item, now),
        key,
    })
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

/// Every kind with a field that names this one.
pub(super) fn naming(
    kind: &'static Kind,
) -> impl Iterator<Item = (&'static dyn AnyResource, &'static str)> {
    resources::TABLE.iter().flat_map(move |other| {
        let references = other.kind().references().filter(|(noun, _)| *noun == kind.noun);
        references.map(|(_, field)| (*other, field))
    })
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
                && other.name != "name"
        });
        let shown: Vec<_> = shown.take(3).collect();
        let row = |item: &DynamicMessage| {
            let cells = shown.iter().map(|field| cells::of(field, item, now)).collect();
            (cells::key(of, item), cells)
        };
        related.push(Related {
            title: if field == kind.noun {
                words::label(&of.plural)
            } else {
                format!("{}: {}", words::label(&of.plural), words::noun(field))
            },
            all: format!("/{}?filter={}", of.plural, words::encoded(&filter)),
            rows: page.items.iter().map(row).collect(),
            more: !page.next_page_token.is_empty(),
        });
    }
    Ok(related)
}
