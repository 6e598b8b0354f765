//! What the log forgets, and how.

use common::Timestamp;
use diesel::{prelude::*, sql_query, sql_types};

use super::{Cursor, horizon};
use crate::db::{Conn, DbError, schema::events};

/// How much of the log is kept: neither older nor more.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    pub since: Timestamp,
    pub most: i64,
}

impl Keep {
    /// 10 million rows.
    pub const MOST: i64 = 10_000_000;
    const DAYS: i64 = 90;

    pub const fn usual(now: Timestamp) -> Self {
        Self { since: now.shifted(-Self::DAYS * 86_400_000_000), most: Self::MOST }
    }
}

/// Rows of one transaction: few enough that nobody waits for it.
pub const STEP: i64 = 1000;

/// Forgets the oldest that need not be kept, at most `STEP` of them; how many. Call it again until it answers 0.
pub fn forget(conn: &mut Conn, keep: Keep) -> Result<usize, DbError> {
    let horizon = horizon(conn)?.cursor;
    let newest: Option<i64> = events::table.select(diesel::dsl::max(events::seq)).first(conn)?;
    let most = newest.unwrap_or_default().saturating_sub(keep.most);
    let oldest: Vec<(i64, i64, i64)> = events::table
        .select((events::xid, events::seq, events::at))
        .filter(events::xid.le(horizon.xid))
        .order((events::xid, events::seq))
        .limit(STEP)
        .load(conn)?;
    // Only from the front: what is left has no holes, and one cursor says where it begins.
    let old = oldest.iter().take_while(|(_, seq, at)| *at < keep.since.micros() || *seq <= most);
    match old.last() {
        Some(&(xid, seq, _)) => up_to(conn, Cursor { epoch: horizon.epoch, xid, seq }),
        None => Ok(0),
    }
}

/// Forgets everything up to here; whoever asks for it is told that it is compacted away.
pub fn up_to(conn: &mut Conn, cursor: Cursor) -> Result<usize, DbError> {
    let gone = sql_query("DELETE FROM events WHERE (xid, seq) <= ($1, $2)")
        .bind::<sql_types::BigInt, _>(cursor.xid)
        .bind::<sql_types::BigInt, _>(cursor.seq)
        .execute(conn)?;
    sql_query("UPDATE log_state SET floor_xid = $1, floor_seq = $2 WHERE floor_xid < $1 OR (floor_xid = $1 AND floor_seq < $2)")
        .bind::<sql_types::BigInt, _>(cursor.xid)
        .bind::<sql_types::BigInt, _>(cursor.seq)
        .execute(conn)?;
    Ok(gone)
}
