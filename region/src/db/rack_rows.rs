//! What region keeps of a rack beside the resource; it goes with the rack.

use common::RackId;
use diesel::{prelude::*, sql_query, sql_types};

use super::{Conn, DbError};

const TABLES: [&str; 7] = [
    "rack_sessions",
    "verdicts",
    "scopes",
    "refused_scopes",
    "outbox_positions",
    "snapshot_leases",
    "rack_requests",
];

pub fn forget(conn: &mut Conn, rack: RackId) -> Result<(), DbError> {
    for table in TABLES {
        sql_query(format!("DELETE FROM {table} WHERE rack = $1"))
            .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
            .execute(conn)?;
    }
    Ok(())
}

/// Of racks that are not there: what was under way as they were deleted may have written once more.
pub fn sweep(conn: &mut Conn) -> Result<usize, DbError> {
    let sweep = |table| {
        format!(
            "DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM racks WHERE racks.id = {table}.rack)"
        )
    };
    let gone = TABLES.map(|table| sql_query(sweep(table)).execute(conn));
    Ok(gone.into_iter().collect::<QueryResult<Vec<_>>>()?.iter().sum())
}
