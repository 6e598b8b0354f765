//! Certificates that racks were given.

use common::{RackId, Timestamp};
use diesel::{prelude::*, sql_query, sql_types};

use super::{Conn, DbError};
use crate::auth::authority::Issued;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// Good, and not shown before.
    Unused,
    /// The rack has shown a newer one.
    Replaced,
    /// This authority signed it, but this database has never heard of it: it was signed after the backup that this database is.
    Unknown,
    Revoked,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    used_at: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    replaced_at: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    revoked_at: i64,
}

pub fn record(
    conn: &mut Conn,
    rack: RackId,
    issued: &Issued,
    now: Timestamp,
) -> Result<(), DbError> {
    let insert = "INSERT INTO rack_certificates (serial, rack, issued_at, not_after, revoked_at) \
                  VALUES ($1, $2, $3, $4, 0)";
    sql_query(insert)
        .bind::<sql_types::Text, _>(&issued.serial)
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::BigInt, _>(now.micros())
        .bind::<sql_types::BigInt, _>(issued.not_after.micros())
        .execute(conn)?;
    Ok(())
}

pub fn standing(conn: &mut Conn, rack: RackId, serial: &str) -> Result<Standing, DbError> {
    let query = "SELECT used_at, replaced_at, revoked_at FROM rack_certificates WHERE serial = $1 AND rack = $2";
    let found: Option<Row> = sql_query(query)
        .bind::<sql_types::Text, _>(serial)
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .get_result(conn)
        .optional()?;
    Ok(match found {
        None => Standing::Unknown,
        Some(row) if row.revoked_at != 0 => Standing::Revoked,
        Some(row) if row.replaced_at != 0 => Standing::Replaced,
        Some(row) if row.used_at == 0 => Standing::Unused,
        Some(_) => Standing::Good,
    })
}

/// The rack has shown this one: its others are good no more. How many that were.
pub fn begin_use(
    conn: &mut Conn,
    rack: RackId,
    serial: &str,
    now: Timestamp,
) -> Result<usize, DbError> {
    sql_query("UPDATE rack_certificates SET used_at = $1 WHERE serial = $2")
        .bind::<sql_types::BigInt, _>(now.micros())
        .bind::<sql_types::Text, _>(serial)
        .execute(conn)?;
    let replace = "UPDATE rack_certificates SET replaced_at = $1 \
                   WHERE rack = $2 AND serial <> $3 AND replaced_at = 0 AND revoked_at = 0 AND not_after > $1";
    Ok(sql_query(replace)
        .bind::<sql_types::BigInt, _>(now.micros())
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(serial)
        .execute(conn)?)
}

/// All that the rack has; how many were good until now.
pub fn revoke(conn: &mut Conn, rack: RackId, now: Timestamp) -> Result<usize, DbError> {
    let update = "UPDATE rack_certificates SET revoked_at = $1 WHERE rack = $2 AND revoked_at = 0";
    Ok(sql_query(update)
        .bind::<sql_types::BigInt, _>(now.micros())
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .execute(conn)?)
}

/// Those that have ended are refused by TLS and need no row.
pub fn sweep(conn: &mut Conn, ended_before: Timestamp) -> Result<usize, DbError> {
    let delete = "DELETE FROM rack_certificates WHERE not_after < $1";
    Ok(sql_query(delete).bind::<sql_types::BigInt, _>(ended_before.micros()).execute(conn)?)
}
