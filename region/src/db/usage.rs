//! How much of the network's addresses is leased.

use common::Timestamp;
use diesel::{prelude::*, sql_query, sql_types};
use std::collections::HashMap;
use uuid::Uuid;

use super::{Conn, DbError, numbered};

/// A lease as an address map shows it.
#[derive(Clone, Debug, QueryableByName)]
pub struct HeldRow {
    /// 16 bytes, IPv4 mapped.
    #[diesel(sql_type = sql_types::Binary)]
    pub address: Vec<u8>,
    #[diesel(sql_type = sql_types::Text)]
    pub state: String,
    #[diesel(sql_type = sql_types::Text)]
    pub mac: String,
    #[diesel(sql_type = sql_types::Text)]
    pub host_name: String,
    #[diesel(sql_type = sql_types::Text)]
    pub key: String,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = sql_types::Binary)]
    of: Vec<u8>,
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// Bound and not over, or found in use by somebody else.
pub fn held(conn: &mut Conn, subnet: Uuid, now: Timestamp) -> Result<Vec<HeldRow>, DbError> {
    Ok(sql_query(
        "SELECT address, state, mac, host_name, key FROM leases \
         WHERE subnet = $1 AND (state = 'bound' AND ends_at > $2 OR state = 'declined')",
    )
    .bind::<sql_types::Binary, _>(subnet.as_bytes().to_vec())
    .bind::<sql_types::BigInt, _>(now.micros())
    .load(conn)?)
}

/// Bound leases by the first bytes of their addresses.
pub fn held_by_block(
    conn: &mut Conn,
    subnet: Uuid,
    bytes: i32,
    now: Timestamp,
) -> Result<Vec<(Vec<u8>, i64)>, DbError> {
    let part = match conn {
        Conn::Postgres(_) => "substring(address from 1 for $3)",
        Conn::Sqlite(_) => "substr(address, 1, $3)",
    };
    let text = format!(
        "SELECT {part} AS of, count(*) AS count FROM leases \
         WHERE subnet = $1 AND state = 'bound' AND ends_at > $2 GROUP BY 1"
    );
    let rows: Vec<CountRow> = sql_query(numbered(conn, text))
        .bind::<sql_types::Binary, _>(subnet.as_bytes().to_vec())
        .bind::<sql_types::BigInt, _>(now.micros())
        .bind::<sql_types::Integer, _>(bytes)
        .load(conn)?;
    Ok(rows.into_iter().map(|row| (row.of, row.count)).collect())
}

/// Bound leases of each subnet that has any.
pub fn held_by_subnet(conn: &mut Conn, now: Timestamp) -> Result<HashMap<Uuid, u64>, DbError> {
    let rows: Vec<CountRow> = sql_query(
        "SELECT subnet AS of, count(*) AS count FROM leases \
         WHERE state = 'bound' AND ends_at > $1 GROUP BY subnet",
    )
    .bind::<sql_types::BigInt, _>(now.micros())
    .load(conn)?;
    let count = |row: CountRow| Some((Uuid::from_slice(&row.of).ok()?, row.count.cast_unsigned()));
    Ok(rows.into_iter().filter_map(count).collect())
}
