//! The list of any kind.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use common::Objection;
use prost_reflect::DynamicMessage;
use proto::{describe::Kind, v1};
use std::sync::Arc;

use super::{
    Console, Fault, boots,
    bulk::Bulk,
    elsewhere::{self, Elsewhere},
    export::{self, Format},
    frame::{self, Frame},
    query::Query,
    room,
    table::{self, Choice, Table},
    visitor::Visitor,
    words,
};
use crate::{
    auth::Verb,
    events::{self, Cursor},
    operations::{OperationError, Tx, erased::AnyResource, list::Page, usage::Usage},
};

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    about: String,
    singular: String,
    plural: String,
    new: Option<String>,
    filter: String,
    example: String,
    hidden: Vec<(String, String)>,
    chips: Vec<(&'static str, String, bool)>,
    choices: Vec<Choice>,
    csv: String,
    json: String,
    drop_filter: String,
    /// One after the other, each with the link that drops it.
    conditions: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    operators: [(&'static str, &'static str); 6],
    carried: Vec<(String, String)>,
    objections: Vec<Objection>,
    table: Table,
    elsewhere: Option<&'static Elsewhere>,
    create_command: String,
}

/// What the list of a kind has beside what every list has.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    /// The filters that are asked for most: what they are called, and how they are typed.
    pub(super) chips: &'static [(&'static str, &'static str)],
    /// While the address asks for none.
    pub(super) order: &'static str,
    /// What else its rows say.
    pub(super) finish: fn(&Visitor, &mut Table, &[DynamicMessage]),
}

const PLAIN: Manner = Manner { chips: &[], order: "", finish: |_, _, _| {} };

const LEASES: Manner = Manner {
    chips: &[("All", ""), ("Bound", "state=bound"), ("Over", "state!=bound")],
    order: "address",
    ..PLAIN
};

fn manner(kind: &Kind) -> Manner {
    match kind.noun.as_str() {
        "lease" => LEASES,
        "subnet" => Manner { order: "cidr", ..PLAIN },
        "range" => Manner { order: "first", ..PLAIN },
        "reservation" => Manner { order: "address", ..PLAIN },
        "boot-attempt" => boots::MANNER,
        _ => PLAIN,
    }
}

pub(super) async fn show(
    console: Console,
    visitor: Visitor,
    query: Query,
    resource: &'static dyn AnyResource,
) -> Result<Response, Fault> {
    if let Some(format) = Format::of(query.get("as")) {
        return export::list(console, visitor, resource, table::request(&query), format);
    }
    if let Some(narrowed) = narrowed(&query) {
        return Ok(Redirect::to(&narrowed).into_response());
    }
    let manner = manner(resource.kind());
    let query = query.or("sort", manner.order);
    let request = table::request(&query);
    let read = read(&console, &visitor, resource, request).await?;
    let (kind, now) = (resource.kind(), console.region.clock.now());
    let path = format!("/{}", kind.plural);
    let counted = read.usage.is_some().then_some(["range", "lease"]).into_iter().flatten();
    let topics: Vec<&str> = std::iter::once(kind.noun.as_str()).chain(counted).collect();
    let frame = Frame::new(&visitor, &[(&words::label(&kind.plural), &path)], now)
        .command(command(kind, &query))
        .live(&topics, read.cursor);
    let may_create = kind.has("Create") && frame::may(&visitor, Verb::Create, &kind.noun);
    let mut table = table::table(resource, &query, &read.page, now);
    table.bulk = Bulk::of(&visitor, kind, &query);
    if let Some(usage) = &read.usage {
        room::add(&mut table, usage, &read.page.items);
    }
    (manner.finish)(&visitor, &mut table, &read.page.items);
    let chip = |(name, filter): &(&'static str, &str)| {
        let link = query.with(&[("filter", filter), ("after", "")]);
        (*name, link, query.get("filter") == *filter)
    };
    frame::render(&ListPage {
        frame,
        chips: manner.chips.iter().map(chip).collect(),
        about: kind.about.clone(),
        singular: words::noun(&kind.noun),
        plural: words::noun(&kind.plural),
        new: may_create.then(|| format!("{path}?do=create")),
        filter: query.get("filter").into(),
        example: example(kind, manner),
        hidden: query.except(&["filter", "after", "columns"]),
        choices: table::choices(kind, &query),
        csv: query.with(&[("as", "csv"), ("after", "")]),
        json: query.with(&[("as", "json"), ("after", "")]),
        drop_filter: query.with(&[("filter", ""), ("after", "")]),
        conditions: conditions(&query),
        fields: fields(kind),
        operators: OPERATORS,
        carried: query.except(&["after", "field", "is", "value"]),
        objections: read.objections,
        table,
        elsewhere: elsewhere::of(kind),
        create_command: create_command(kind),
    })
}

/// What one transaction reads for the page.
struct Read {
    cursor: Cursor,
    /// Of subnets alone.
    usage: Option<Arc<Usage>>,
    page: Page<DynamicMessage>,
    objections: Vec<Objection>,
}

async fn read(
    console: &Console,
    visitor: &Visitor,
    resource: &'static dyn AnyResource,
    request: v1::ListRequest,
) -> Result<Read, OperationError> {
    let counted = (resource.kind().noun == "subnet").then(|| console.counted.clone());
    let work = move |tx: &mut Tx<'_>| {
        let cursor = events::horizon(tx.conn)?.cursor;
        let usage = counted.as_ref().map(|counted| counted.usage(tx)).transpose()?;
        let (page, objections) = match resource.list(tx, &request) {
            Err(OperationError::Refused(objections)) => {
                (Page { items: Vec::new(), next_page_token: String::new() }, objections)
            }
            page => (page?, Vec::new()),
        };
        Ok(Read { cursor, usage, page, objections })
    };
    console.region.read(&visitor.actor, work).await
}

/// How a field may be held against a value, in words.
const OPERATORS: [(&str, &str); 6] = [
    ("=", "is"),
    ("!=", "is not"),
    ("~", "has"),
    ("<", "is below"),
    (">", "is above"),
    (">=", "is at least"),
];

fn fields(kind: &Kind) -> Vec<(String, String)> {
    let fields = kind.fields.iter().filter(|field| !field.secret && !field.is_list());
    fields.map(|field| (field.name.clone(), words::label(&field.name))).collect()
}

/// Where a condition that was put together leads: to the same list with one more.
fn narrowed(query: &Query) -> Option<String> {
    let (field, is, value) = (query.get("field"), query.get("is"), query.get("value").trim());
    if field.is_empty() || value.is_empty() {
        return None;
    }
    let condition = format!("{field}{is}{value}");
    let filter = match table::request(query).filter.as_str() {
        "" => condition,
        filter => format!("{filter},{condition}"),
    };
    let done = [("field", ""), ("is", ""), ("value", ""), ("after", "")];
    Some(query.with(&[&[("filter", filter.as_str())][..], &done].concat()))
}

fn conditions(query: &Query) -> Vec<(String, String)> {
    let terms: Vec<&str> = query.get("filter").split(',').collect();
    let without = |at: usize| {
        let left = terms.iter().enumerate().filter(|(other, _)| *other != at);
        let left: Vec<&str> = left.map(|(_, term)| *term).collect();
        query.with(&[("filter", &left.join(",")), ("after", "")])
    };
    let given = terms.iter().enumerate().filter(|(_, term)| !term.trim().is_empty());
    given.map(|(at, term)| (term.trim().to_owned(), without(at))).collect()
}

/// A filter that could be meant: one that is asked for much, else from the contract's own examples.
fn example(kind: &Kind, manner: Manner) -> String {
    if let Some((_, filter)) = manner.chips.iter().find(|(_, filter)| !filter.is_empty()) {
        return (*filter).into();
    }
    let field = kind.fields.iter().find(|field| !field.example.is_empty() && !field.is_list());
    field.map(|field| format!("{}={}", field.name, field.example)).unwrap_or_default()
}

fn words_of(kind: &Kind) -> String {
    let own = kind.noun.strip_prefix(&format!("{}-", kind.under)).unwrap_or(&kind.noun);
    if kind.under.is_empty() { own.into() } else { format!("{} {own}", kind.under) }
}

fn command(kind: &Kind, query: &Query) -> String {
    let filter = table::request(query).filter;
    let noun = words_of(kind);
    if filter.is_empty() {
        format!("hostler {noun} list")
    } else {
        format!("hostler {noun} list --filter {}", words::shell(&filter))
    }
}

fn create_command(kind: &Kind) -> String {
    let flags = kind.settable().filter(|field| field.required);
    let flags: Vec<String> = flags
        .map(|field| format!(" \\\n  --{} {}", field.name.replace('_', "-"), field.example))
        .collect();
    format!("hostler {} create{}", words_of(kind), flags.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_added_and_dropped_one_by_one() {
        for (asked, expected) in [
            (&[("field", "mac"), ("is", "="), ("value", "x")][..], Some("/leases?filter=mac%3Dx")),
            (
                &[("filter", "kestrel"), ("field", "state"), ("is", "!="), ("value", " bound ")],
                Some("/leases?filter=key~kestrel%2Cstate%21%3Dbound"),
            ),
            (&[("field", "mac"), ("is", "="), ("value", " ")], None),
            (&[("filter", "a=b")], None),
        ] {
            assert_eq!(narrowed(&Query::of("/leases", asked)).as_deref(), expected);
        }
        let query = Query::of("/leases", &[("filter", "a=1, b=2"), ("sort", "mac")]);
        let expected =
            [("a=1", "/leases?sort=mac&filter=%20b%3D2"), ("b=2", "/leases?sort=mac&filter=a%3D1")];
        assert_eq!(
            conditions(&query),
            expected.map(|(term, link)| (term.to_owned(), link.to_owned()))
        );
    }
}
