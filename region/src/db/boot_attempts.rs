//! Boot attempts as racks tell of them.

use common::Timestamp;
use diesel::{prelude::*, sql_query, sql_types};
use plan::{BootAttempt, Vlan};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Conn, DbError,
    condition::{Condition, Value},
    names,
    stored::{Query, Saved, Stored},
};

/// Values of one IN list.
const ROWS: usize = 512;

/// Those of these that are known.
pub fn find_many(
    conn: &mut Conn,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Saved<BootAttempt>>, DbError> {
    let mut found = HashMap::new();
    for chunk in ids.chunks(ROWS) {
        let values = chunk.iter().map(|id| Value::Bytes(id.as_bytes().to_vec())).collect();
        let these = Condition::In { column: "id", values };
        let rows = BootAttempt::load(conn, Query::all(vec![these]))?;
        found.extend(rows.into_iter().map(|row| (row.id.uuid(), row)));
    }
    Ok(found)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = sql_types::Binary)]
    id: Vec<u8>,
}

/// Boots that began since then, stalled, and were the last of their machines; the newest first.
pub fn stalled_last(
    conn: &mut Conn,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<Saved<BootAttempt>>, DbError> {
    let query = "SELECT id FROM boot_attempts own WHERE outcome = 'stalled' AND started_at >= $1 \
                 AND NOT EXISTS (SELECT 1 FROM boot_attempts later \
                 WHERE later.mac = own.mac AND later.started_at > own.started_at) \
                 ORDER BY started_at DESC, id LIMIT $2";
    let rows: Vec<IdRow> = sql_query(query)
        .bind::<sql_types::BigInt, _>(since.micros())
        .bind::<sql_types::BigInt, _>(limit)
        .load(conn)?;
    let ids: Vec<Uuid> = rows.iter().filter_map(|row| Uuid::from_slice(&row.id).ok()).collect();
    let mut found = find_many(conn, &ids)?;
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// Whether region has this VLAN.
pub fn vlan(conn: &mut Conn, vlan: common::VlanId) -> Result<Option<common::Id<Vlan>>, DbError> {
    let found = names::find(conn, Vlan::TABLE, &vlan.to_string())?;
    Ok(found.map(common::Id::new))
}

/// Forgets those that nothing was heard of since `since`, at most `limit` of them; how many.
pub fn forget(conn: &mut Conn, since: Timestamp, limit: i64) -> Result<usize, DbError> {
    let gone = sql_query(
        "DELETE FROM boot_attempts WHERE id IN (SELECT id FROM boot_attempts WHERE started_at < $1 AND updated_at < $1 ORDER BY started_at LIMIT $2)",
    )
    .bind::<sql_types::BigInt, _>(since.micros())
    .bind::<sql_types::BigInt, _>(limit)
    .execute(conn)?;
    Ok(gone)
}
