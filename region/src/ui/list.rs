//! The list of any kind.

use askama::Template;
use axum::response::Response;
use common::Objection;
use proto::describe::Kind;

use super::{
    Console, Fault,
    export::{self, Format},
    frame::{self, Frame},
    query::Query,
    table::{self, Choice, Table},
    visitor::Visitor,
    words,
};
use crate::{
    auth::Verb,
    events,
    operations::{OperationError, erased::AnyResource, list::Page},
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
    choices: Vec<Choice>,
    csv: String,
    json: String,
    drop_filter: String,
    objections: Vec<Objection>,
    table: Table,
    create_command: String,
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
    let request = table::request(&query);
    let read = console.region.read(&visitor.actor, move |tx| {
        let cursor = events::now(tx.conn)?;
        match resource.list(tx, &request) {
            Err(OperationError::Refused(objections)) => Ok((cursor, None, objections)),
            page => Ok((cursor, Some(page?), Vec::new())),
        }
    });
    let (cursor, page, objections) = read.await?;
    let (kind, now) = (resource.kind(), console.region.clock.now());
    let path = format!("/{}", kind.plural);
    let page = page.unwrap_or(Page { items: Vec::new(), next_page_token: String::new() });
    let frame = Frame::new(&visitor, &[(&words::label(&kind.plural), &path)], now)
        .command(command(kind, &query))
        .live(&[&kind.noun], cursor);
    let may_create = kind.has("Create") && frame::may(&visitor, Verb::Create, &kind.noun);
    frame::render(&ListPage {
        frame,
        about: kind.about.clone(),
        singular: words::noun(&kind.noun),
        plural: words::noun(&kind.plural),
        new: may_create.then(|| format!("{path}?do=create")),
        filter: query.get("filter").into(),
        example: example(kind),
        hidden: query.except(&["filter", "after", "columns"]),
        choices: table::choices(kind, &query),
        csv: query.with(&[("as", "csv"), ("after", "")]),
        json: query.with(&[("as", "json"), ("after", "")]),
        drop_filter: query.with(&[("filter", ""), ("after", "")]),
        objections,
        table: table::table(resource, &query, &page, now),
        create_command: create_command(kind),
    })
}

/// A filter that could be meant, from the contract's own examples.
fn example(kind: &Kind) -> String {
    let field = kind.fields.iter().find(|field| !field.example.is_empty() && !field.is_list());
    field.map_or_else(|| "state=bound".into(), |field| format!("{}={}", field.name, field.example))
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
        format!("hostler {noun} list --filter '{filter}'")
    }
}

fn create_command(kind: &Kind) -> String {
    let flags = kind.settable().filter(|field| field.required);
    let flags: Vec<String> = flags
        .map(|field| format!(" \\\n  --{} {}", field.name.replace('_', "-"), field.example))
        .collect();
    format!("hostler {} create{}", words_of(kind), flags.concat())
}
