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
