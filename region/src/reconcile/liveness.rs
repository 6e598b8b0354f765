//! Which racks are there, and what they count: this process speaks for the streams that it holds, and closes those that nobody has spoken for.

use common::Timestamp;
use std::{collections::HashMap, time::Duration};

use super::Context;
use crate::{
    db::{Conn, DbError, requests, sessions},
    operations::{OperationError, rack, session},
};

pub const PERIOD: Duration = Duration::from_secs(5);
/// A stream without a word for this long is gone; its region may have been killed.
const SILENCE: Duration = Duration::from_secs(15);

pub async fn run(context: Context) -> Result<(), OperationError> {
    let (region, now) = (&context.region, context.region.clock.now());
    let (own, counts) = (region.racks.sessions(), region.racks.counts());
    let counts: HashMap<_, _> =
        counts.iter().map(|(session, counts)| (*session, session::encoded(counts))).collect();
    if !own.is_empty() {
        // No event, so nobody is rung.
        let touch = move |conn: &mut Conn| -> Result<Vec<_>, DbError> {
            let mut closed = Vec::new();
            for (rack, session) in &own {
                let counts = counts.get(session).map(Vec::as_slice);
                if !sessions::touch(conn, *session, now, counts)? {
                    closed.push((*rack, *session));
                }
            }
            Ok(closed)
        };
        for (rack, session) in region.db.transaction(touch).await? {
            tracing::warn!(%rack, "its stream was taken for lost, or another has taken its place; it is to connect anew");
            region.racks.end_stream(rack, session);
        }
    }
    // Whoever asked ends its request at the deadline, unless it was killed before.
    region.db.transaction(|conn: &mut Conn| requests::sweep(conn, SILENCE)).await?;
    let before = now.shifted(-i64::try_from(SILENCE.as_micros()).unwrap_or(i64::MAX));
    for (rack, session) in silent(&context, before).await? {
        tracing::warn!(%rack, "its stream was lost with the region that held it");
        session::close(region, rack, session).await?;
    }
    Ok(())
}

async fn silent(
    context: &Context,
    before: Timestamp,
) -> Result<Vec<(common::RackId, uuid::Uuid)>, OperationError> {
    let actor = rack::system();
    let read = context.region.read(&actor, move |tx| Ok(sessions::silent_since(tx.conn, before)?));
    Ok(read.await?.iter().filter_map(sessions::SessionRow::ids).collect())
}
