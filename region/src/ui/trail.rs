//! The audit trail: who changed what, and why.

use askama::Template;
use axum::{extract::State, response::Response};
use common::Timestamp;
use proto::describe;

use super::{
    Console, Fault,
    cells::{self, Cell},
    frame::{self, Frame},
    history::{self, Change},
    query::Query,
    visitor::Visitor,
    words,
};
use crate::{
    auth::may_see,
    events,
    operations::audit::{self, Wanted},
};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    actor: String,
    entries: Vec<Entry>,
    first: Option<String>,
    next: Option<String>,
}

struct Entry {
    kind: String,
    object: Cell,
    change: Change,
}

const PAGE: i64 = 50;

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Fault> {
    let before = query.get("after").parse::<i64>().ok();
    let wanted = Wanted {
        actor: query.get("actor").trim().to_owned(),
        before: before.map(Timestamp::from_micros),
        limit: PAGE,
    };
    let read = console.region.read(&visitor.actor, move |tx| {
        Ok((events::now(tx.conn)?, audit::newest(tx.conn, &wanted)?))
    });
    let (cursor, rows) = read.await?;
    let now = console.region.clock.now();
    let full = rows.len() as i64 == PAGE;
    let next = rows.last().filter(|_| full).map(|row| row.change.at.to_string());
    let entries = rows.into_iter().filter(|row| may_see(&visitor.actor, &row.kind));
    let entries = entries.filter_map(|row| {
        let kind = describe::kind(&row.kind)?;
        let object = if row.change.verb == "delete" {
            Cell::Text(row.key)
        } else {
            Cell::Link(cells::page_of(&row.kind, &row.key), row.key)
        };
        let change = history::shown(kind, &row.change, now);
        Some(Entry { kind: words::noun(&row.kind), object, change })
    });
    let kinds: Vec<&str> =
        crate::resources::TABLE.iter().map(|resource| resource.kind().noun.as_str()).collect();
    frame::render(&AuditPage {
        actor: query.get("actor").into(),
        entries: entries.collect(),
        first: before.map(|_| query.with(&[("after", "")])),
        next: next.map(|at| query.with(&[("after", &at)])),
        frame: Frame::new(&visitor, &[("Audit", "/audit")], now)
            .command("hostler event list --filter 'type~updated'")
            .live(&kinds, cursor),
    })
}
