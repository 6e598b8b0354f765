//! Who is signed in to the console, and with what.

use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::{Conn, DbError};

#[derive(Clone, Debug, QueryableByName)]
pub struct SessionRow {
    #[diesel(sql_type = sql_types::Binary)]
    pub id: Vec<u8>,
    #[diesel(sql_type = sql_types::Text)]
    pub holder_kind: String,
    #[diesel(sql_type = sql_types::Binary)]
    pub holder: Vec<u8>,
    #[diesel(sql_type = sql_types::Text)]
    pub address: String,
    #[diesel(sql_type = sql_types::BigInt)]
    pub created_at: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub seen_at: i64,
}

/// A user or a token, as far as signing in goes.
#[derive(Clone, Debug, QueryableByName)]
pub struct HolderRow {
    #[diesel(sql_type = sql_types::Binary)]
    pub id: Vec<u8>,
    #[diesel(sql_type = sql_types::Text)]
    pub name: String,
    #[diesel(sql_type = sql_types::Text)]
    pub role: String,
    #[diesel(sql_type = sql_types::Bool)]
    pub disabled: bool,
    /// 0: never.
    #[diesel(sql_type = sql_types::BigInt)]
    pub expires_at: i64,
    /// Of a user; else empty.
    #[diesel(sql_type = sql_types::Text)]
    pub password_hash: String,
}

const SESSION: &str =
    "SELECT id, holder_kind, holder, address, created_at, seen_at FROM console_sessions";
const USER: &str =
    "SELECT id, name, role, disabled, CAST(0 AS BIGINT) AS expires_at, password_hash FROM users";
const TOKEN: &str =
    "SELECT id, name, role, FALSE AS disabled, expires_at, '' AS password_hash FROM tokens";

pub fn insert(conn: &mut Conn, row: &SessionRow) -> Result<(), DbError> {
    sql_query(
        "INSERT INTO console_sessions (id, holder_kind, holder, address, created_at, seen_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind::<sql_types::Binary, _>(&row.id)
    .bind::<sql_types::Text, _>(&row.holder_kind)
    .bind::<sql_types::Binary, _>(&row.holder)
    .bind::<sql_types::Text, _>(&row.address)
    .bind::<sql_types::BigInt, _>(row.created_at)
    .bind::<sql_types::BigInt, _>(row.seen_at)
    .execute(conn)?;
    Ok(())
}

pub fn find(conn: &mut Conn, id: &[u8]) -> Result<Option<SessionRow>, DbError> {
    let rows: Vec<SessionRow> = sql_query(format!("{SESSION} WHERE id = $1"))
        .bind::<sql_types::Binary, _>(id)
        .load(conn)?;
    Ok(rows.into_iter().next())
}

/// Newest first.
pub fn of_holder(conn: &mut Conn, holder: Uuid) -> Result<Vec<SessionRow>, DbError> {
    Ok(sql_query(format!("{SESSION} WHERE holder = $1 ORDER BY seen_at DESC LIMIT 100"))
        .bind::<sql_types::Binary, _>(holder.as_bytes().to_vec())
        .load(conn)?)
}

pub fn touch(conn: &mut Conn, id: &[u8], now: i64) -> Result<(), DbError> {
    sql_query("UPDATE console_sessions SET seen_at = $1 WHERE id = $2")
        .bind::<sql_types::BigInt, _>(now)
        .bind::<sql_types::Binary, _>(id)
        .execute(conn)?;
    Ok(())
}

pub fn delete(conn: &mut Conn, id: &[u8]) -> Result<(), DbError> {
    sql_query("DELETE FROM console_sessions WHERE id = $1")
        .bind::<sql_types::Binary, _>(id)
        .execute(conn)?;
    Ok(())
}

pub fn delete_of_holder(conn: &mut Conn, holder: Uuid) -> Result<(), DbError> {
    sql_query("DELETE FROM console_sessions WHERE holder = $1")
        .bind::<sql_types::Binary, _>(holder.as_bytes().to_vec())
        .execute(conn)?;
    Ok(())
}

/// Those that began or were last seen before these times.
pub fn delete_ended(conn: &mut Conn, created: i64, seen: i64) -> Result<(), DbError> {
    sql_query("DELETE FROM console_sessions WHERE created_at < $1 OR seen_at < $2")
        .bind::<sql_types::BigInt, _>(created)
        .bind::<sql_types::BigInt, _>(seen)
        .execute(conn)?;
    Ok(())
}

pub fn user_by_name(conn: &mut Conn, name: &str) -> Result<Option<HolderRow>, DbError> {
    let rows: Vec<HolderRow> =
        sql_query(format!("{USER} WHERE name = $1")).bind::<sql_types::Text, _>(name).load(conn)?;
    Ok(rows.into_iter().next())
}

pub fn token_by_hash(conn: &mut Conn, hash: &[u8]) -> Result<Option<HolderRow>, DbError> {
    let rows: Vec<HolderRow> = sql_query(format!("{TOKEN} WHERE secret = $1"))
        .bind::<sql_types::Binary, _>(hash)
        .load(conn)?;
    Ok(rows.into_iter().next())
}

pub fn holder(conn: &mut Conn, kind: &str, id: &[u8]) -> Result<Option<HolderRow>, DbError> {
    let query = match kind {
        "user" => format!("{USER} WHERE id = $1"),
        _ => format!("{TOKEN} WHERE id = $1"),
    };
    let rows: Vec<HolderRow> = sql_query(query).bind::<sql_types::Binary, _>(id).load(conn)?;
    Ok(rows.into_iter().next())
}

pub fn save_password(conn: &mut Conn, user: Uuid, hash: &str) -> Result<(), DbError> {
    sql_query("UPDATE users SET password_hash = $1 WHERE id = $2")
        .bind::<sql_types::Text, _>(hash)
        .bind::<sql_types::Binary, _>(user.as_bytes().to_vec())
        .execute(conn)?;
    Ok(())
}
