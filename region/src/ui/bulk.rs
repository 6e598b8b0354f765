//! What is done to several rows of a list at once. The address names the rows, so that a link shows what the sender saw and nothing of it needs a script.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use futures_util::future::join_all;
use prost_reflect::DynamicMessage;
use proto::describe::{Kind, meta};

use super::{
    Asked, Fault,
    cells::{self, Cell},
    detail, frame,
    frame::Frame,
    own::{self, Own},
    query::{Query, Typed},
    save::Sent,
    table::{self, Table},
    visitor::Visitor,
    words,
};
use crate::operations::{OperationError, list::Page};

/// Kind and verb: those that are each done to many, and by one click that nobody means.
const SEVERAL: &[(&str, &str)] = &[("lease", "release")];
/// More than a page of a list has.
const MOST: usize = 200;
/// So that a rack that does not answer holds up few of the others.
const AT_ONCE: usize = 8;

/// The buttons below a table whose rows can be ticked.
pub(super) struct Bulk {
    pub(super) list: String,
    pub(super) verbs: Vec<&'static Own>,
    /// What brings one back to the same list.
    pub(super) carried: Vec<(String, String)>,
}

impl Bulk {
    /// None: this visitor can do nothing to many of these.
    pub(super) fn of(visitor: &Visitor, kind: &Kind, query: &Query) -> Option<Self> {
        let verbs = SEVERAL.iter().filter(|(noun, _)| *noun == kind.noun);
        let verbs = verbs.filter_map(|(noun, name)| own::find(noun, name));
        let verbs: Vec<_> = verbs.filter(|own| frame::may(visitor, own.verb, own.noun)).collect();
        let list = format!("/{}", kind.plural);
        // Another page's own words mean nothing to the list.
        let carried =
            if query.path == list { query.except(&["after", "row", "do"]) } else { Vec::new() };
        (!verbs.is_empty()).then_some(Self { list, verbs, carried })
    }
}

pub(super) fn find(kind: &Kind, verb: &str) -> Option<&'static Own> {
    SEVERAL.iter().find(|row| **row == (kind.noun.as_str(), verb))?;
    own::find(&kind.noun, verb)
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage {
    frame: Frame,
    own: &'static Own,
    /// `3 leases`: what is typed.
    name: String,
    table: Table,
    gone: usize,
    back: String,
    action: String,
    objection: Option<String>,
    failed: Vec<(Cell, String)>,
}

/// The rows that were ticked: what they are now, and how many are over already.
struct Ticked {
    items: Vec<DynamicMessage>,
    gone: usize,
}

impl Ticked {
    async fn read(asked: &Asked) -> Result<Self, Fault> {
        let keys: Vec<String> = asked.query.all("row").into_iter().map(str::to_owned).collect();
        if keys.len() > MOST {
            let said = format!("Nothing was changed: at most {MOST} rows go at once.");
            return Err(Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "Refused", said));
        }
        let (resource, count) = (asked.resource, keys.len());
        let read = asked.console.region.read(&asked.visitor.actor, move |tx| {
            let mut items = Vec::new();
            for key in &keys {
                match resource.get(tx, key) {
                    Err(OperationError::NotFound { .. }) => {}
                    item => items.push(item?),
                }
            }
            items.retain(|item| detail::pointless(item).is_empty());
            Ok(items)
        });
        let items = read.await?;
        Ok(Self { gone: count - items.len(), items })
    }

    fn name(&self, kind: &Kind) -> String {
        let noun = if self.items.len() == 1 { &kind.noun } else { &kind.plural };
        format!("{} {}", self.items.len(), words::noun(noun))
    }
}

/// Says what ends, and asks for the number of it.
pub(super) async fn ask(asked: Asked, own: &'static Own) -> Result<Response, Fault> {
    let ticked = Ticked::read(&asked).await?;
    page(&asked, own, &ticked, Refusal::default())
}

#[derive(Default)]
struct Refusal {
    objection: Option<String>,
    failed: Vec<(Cell, String)>,
}

pub(super) async fn run(asked: Asked, own: &'static Own, typed: Typed) -> Result<Response, Fault> {
    let ticked = Ticked::read(&asked).await?;
    let name = ticked.name(asked.resource.kind());
    if ticked.items.is_empty() || typed.word("confirm").trim() != name {
        let objection = Some(format!("must be {name}"));
        return page(&asked, own, &ticked, Refusal { objection, ..Refusal::default() });
    }
    let Asked { console, visitor, resource, query, key } = asked;
    let sent = Sent { console, visitor, resource, typed };
    let keys: Vec<String> = ticked.items.iter().map(|item| meta(item, "key")).collect();
    let mut failed = Vec::new();
    for some in keys.chunks(AT_ONCE) {
        let tries: Vec<_> = some.iter().map(|key| own::perform(&sent, own, key.clone())).collect();
        let done = some.iter().cloned().zip(join_all(tries).await);
        failed.extend(done.filter_map(|(key, done)| done.err().map(|error| (key, error))));
    }
    if failed.is_empty() {
        return Ok(Redirect::to(&query.with(&[("do", ""), ("row", "")])).into_response());
    }
    let Sent { console, visitor, resource, .. } = sent;
    let asked = Asked { console, visitor, resource, query, key };
    let left = Ticked::read(&asked).await?;
    let link = |key: String| Cell::CodeLink(cells::page_of(own.noun, &key), key);
    let failed = failed.into_iter().map(|(key, error)| (link(key), error.to_string()));
    page(&asked, own, &left, Refusal { failed: failed.collect(), ..Refusal::default() })
}

fn page(
    asked: &Asked,
    own: &'static Own,
    ticked: &Ticked,
    refusal: Refusal,
) -> Result<Response, Fault> {
    let (kind, query, now) =
        (asked.resource.kind(), &asked.query, asked.console.region.clock.now());
    let name = ticked.name(kind);
    let page = Page { items: ticked.items.clone(), next_page_token: String::new() };
    let (list, label) = (query.with(&[("do", ""), ("row", "")]), words::label(&kind.plural));
    let crumbs = [(label.as_str(), list.as_str()), (own.label, "")];
    let keys: Vec<String> = ticked.items.iter().map(|item| meta(item, "key")).collect();
    let commands: Vec<String> =
        keys.iter().map(|key| format!("hostler {} {} {key}", kind.spoken(), own.name)).collect();
    let status = match (&refusal.objection, refusal.failed.is_empty()) {
        (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, false) => StatusCode::CONFLICT,
        (None, true) => StatusCode::OK,
    };
    let page = BulkPage {
        frame: Frame::new(&asked.visitor, &crumbs, now).command(commands.join("; ")),
        own,
        table: table::table(asked.resource, &Query::default(), &page, now),
        gone: ticked.gone,
        back: list.clone(),
        action: query.with(&[]),
        objection: refusal.objection,
        failed: refusal.failed,
        name,
    };
    frame::render_as(status, &page)
}
