//! The region itself: what it runs on, and where its own figures are.

use askama::Template;
use axum::{extract::State, response::Response};

use super::{
    Console, Fault,
    cells::{Cell, Pair},
    frame::{self, Frame},
    visitor::Visitor,
    words,
};
use crate::{
    db::Target,
    events,
    operations::{Tx, fleet},
    resources,
};

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    frame: Frame,
    pairs: Vec<Pair>,
    kinds: Vec<(String, String)>,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Fault> {
    let read = console.region.read(&visitor.actor, |tx: &mut Tx<'_>| {
        let connected = fleet::fleet(tx)?.iter().filter(|member| member.rack.connected).count();
        Ok((events::horizon(tx.conn)?.cursor, events::epoch(tx.conn)?, connected))
    });
    let (cursor, epoch, connected) = read.await?;
    let region = &console.region;
    let now = region.clock.now();
    let database = match region.db.target() {
        Target::Postgres(_) => "PostgreSQL",
        Target::Sqlite(_) => "SQLite, embedded",
    };
    let pair = |label: &str, cell: Cell| Pair { label: label.into(), hint: String::new(), cell };
    let mut pairs = vec![
        pair("Version", Cell::Code(env!("CARGO_PKG_VERSION").into())),
        pair("Database", Cell::Text(database.into())),
        pair("Epoch", Cell::Code(epoch.0.to_string())),
        pair("Log, read up to", Cell::Code(cursor.to_string())),
        pair("Racks connected", Cell::Text(words::number(connected as i128))),
        pair("Time", Cell::Code(words::exact(now))),
        pair(
            "Metrics",
            Cell::Text(
                "Prometheus, where [metrics] listens; by default only on this machine, port 7251"
                    .into(),
            ),
        ),
    ];
    if let Some(doorstep) = &region.doorstep {
        pairs.push(pair("Racks find it at", Cell::Code(doorstep.addresses.join(", "))));
        pairs.push(pair("Racks know it by", Cell::Code(doorstep.authority.to_string())));
    }
    let kinds = resources::TABLE.iter().map(|resource| resource.kind());
    let kinds = kinds.filter(|kind| frame::may(&visitor, crate::auth::Verb::List, &kind.noun));
    frame::render(&SystemPage {
        pairs,
        kinds: kinds
            .map(|kind| (words::label(&kind.plural), format!("/{}", kind.plural)))
            .collect(),
        frame: Frame::new(&visitor, &[("System", "/system")], now)
            .command("hostler-region check-config")
            .live(&["rack"], cursor),
    })
}
