//! How much of the network's addresses is leased.

use common::Timestamp;
use diesel::{prelude::*, sql_query, sql_types};
use std::collections::HashMap;
use uuid::Uuid;

use super::{Backend, Conn, DbError, numbered, placeholders};

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

/// Values of one statement: two for each block.
const BLOCKS: usize = 512;

/// Bound leases from each of these addresses to its other, 16 bytes each. One look into an index for each: grouping would put every lease in order first.
pub fn held_in_blocks(
    conn: &mut Conn,
    subnet: Uuid,
    blocks: &[(Vec<u8>, Vec<u8>)],
    now: Timestamp,
) -> Result<Vec<(Vec<u8>, i64)>, DbError> {
    let mut found = Vec::new();
    for chunk in blocks.chunks(BLOCKS) {
        let ends: Vec<String> = (0..chunk.len()).map(|row| placeholders(row, 2)).collect();
        let next = 2 * chunk.len() + 1;
        let text = format!(
            "WITH blocks (low, high) AS (VALUES {}) SELECT low AS of, (SELECT count(*) FROM leases WHERE subnet = ${next} \
             AND state = 'bound' AND address BETWEEN low AND high AND ends_at > ${}) AS count FROM blocks",
            ends.join(","),
            next + 1
        );
        let mut statement = sql_query(numbered(conn, text)).into_boxed::<Backend>();
        for (low, high) in chunk {
            statement =
                statement.bind::<sql_types::Binary, _>(low).bind::<sql_types::Binary, _>(high);
        }
        let rows: Vec<CountRow> = statement
            .bind::<sql_types::Binary, _>(subnet.as_bytes().to_vec())
            .bind::<sql_types::BigInt, _>(now.micros())
            .load(conn)?;
        found.extend(rows.into_iter().map(|row| (row.of, row.count)));
    }
    Ok(found)
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
