//! What each rack should be doing, by scope, and what it says of it.

use common::{Epoch, Generation, RackId, generation::Digest};
use diesel::{prelude::*, sql_query, sql_types};
use std::collections::BTreeSet;

use super::{Conn, DbError};
use crate::events::Cursor;

/// The newest generation, and how far into the event log the configurations reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    pub generation: Generation,
    pub cursor: Cursor,
}

/// A scope as its rack should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub rack: RackId,
    pub scope: String,
    /// For people: dhcp dc1/10
    pub name: String,
    pub generation: Generation,
    pub digest: Digest,
    /// Encoded `v1::ScopeConfig`; empty in a withdrawal.
    pub content: Vec<u8>,
    pub withdrawn: bool,
    /// How far into the event log the pass reached that stamped it.
    pub cursor: Cursor,
}

/// What a rack says of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub rack: RackId,
    pub scope: String,
    /// The newest that was offered to it.
    pub generation: Generation,
    /// Encoded `v1::ScopeStatus`.
    pub status: Vec<u8>,
    pub at: i64,
}

#[derive(QueryableByName)]
struct ReachRow {
    #[diesel(sql_type = sql_types::BigInt)]
    epoch: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    xid: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    seq: i64,
}

#[derive(QueryableByName)]
struct WantedRow {
    #[diesel(sql_type = sql_types::Binary)]
    rack: Vec<u8>,
    #[diesel(sql_type = sql_types::Text)]
    scope: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::BigInt)]
    epoch: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
    #[diesel(sql_type = sql_types::Binary)]
    digest: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    content: Vec<u8>,
    #[diesel(sql_type = sql_types::Bool)]
    withdrawn: bool,
    #[diesel(sql_type = sql_types::BigInt)]
    xid: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    seq: i64,
}

#[derive(QueryableByName)]
struct SaidRow {
    #[diesel(sql_type = sql_types::Binary)]
    rack: Vec<u8>,
    #[diesel(sql_type = sql_types::Text)]
    scope: String,
    #[diesel(sql_type = sql_types::BigInt)]
    epoch: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
    #[diesel(sql_type = sql_types::Binary)]
    status: Vec<u8>,
    #[diesel(sql_type = sql_types::BigInt)]
    at: i64,
}

/// None before the first rack or pass asked.
pub fn reach(conn: &mut Conn) -> Result<Option<Reach>, DbError> {
    read_reach(conn, "")
}

/// Until the transaction ends, nobody else takes a number. The first to ask begins the sequence.
pub fn lock_reach(conn: &mut Conn, epoch: Epoch) -> Result<Reach, DbError> {
    let lock = if matches!(conn, Conn::Postgres(_)) { " FOR UPDATE" } else { "" };
    if let Some(found) = read_reach(conn, lock)? {
        return Ok(found);
    }
    let insert = "INSERT INTO configuration (only_row, epoch, number, xid, seq) \
                  VALUES (0, $1, 0, 0, 0) ON CONFLICT (only_row) DO NOTHING";
    sql_query(insert).bind::<sql_types::BigInt, _>(epoch.0.cast_signed()).execute(conn)?;
    read_reach(conn, lock)?.ok_or_else(|| DbError::Query(diesel::result::Error::NotFound))
}

fn read_reach(conn: &mut Conn, lock: &str) -> Result<Option<Reach>, DbError> {
    let query = format!("SELECT epoch, number, xid, seq FROM configuration{lock}");
    let found: Option<ReachRow> = sql_query(query).get_result(conn).optional()?;
    Ok(found.map(|row| Reach {
        generation: generation(row.epoch, row.number),
        cursor: cursor(row.epoch, row.xid, row.seq),
    }))
}

pub fn save_reach(conn: &mut Conn, reach: Reach) -> Result<(), DbError> {
    sql_query("UPDATE configuration SET epoch = $1, number = $2, xid = $3, seq = $4")
        .bind::<sql_types::BigInt, _>(reach.generation.epoch.0.cast_signed())
        .bind::<sql_types::BigInt, _>(reach.generation.number.cast_signed())
        .bind::<sql_types::BigInt, _>(reach.cursor.xid)
        .bind::<sql_types::BigInt, _>(reach.cursor.seq)
        .execute(conn)?;
    Ok(())
}

const WANTED: &str = "SELECT rack, scope, name, epoch, number, digest, content, withdrawn, xid, seq \
                      FROM scopes";

pub fn wanted(conn: &mut Conn) -> Result<Vec<Wanted>, DbError> {
    let rows: Vec<WantedRow> = sql_query(format!("{WANTED} ORDER BY rack, scope")).load(conn)?;
    rows.into_iter().map(Wanted::try_from).collect()
}

/// The same without their contents, which are most of them.
pub fn outlines(conn: &mut Conn) -> Result<Vec<Wanted>, DbError> {
    let query = WANTED.replace(", content,", ", substr(content, 1, 0) AS content,");
    let rows: Vec<WantedRow> = sql_query(format!("{query} ORDER BY rack, scope")).load(conn)?;
    rows.into_iter().map(Wanted::try_from).collect()
}

/// What a rack has to hear of that heard everything up to `after`.
pub fn wanted_of(conn: &mut Conn, rack: RackId, after: Generation) -> Result<Vec<Wanted>, DbError> {
    let query = format!(
        "{WANTED} WHERE rack = $1 AND (epoch > $2 OR epoch = $2 AND number > $3) ORDER BY number, scope"
    );
    let rows: Vec<WantedRow> = sql_query(query)
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::BigInt, _>(after.epoch.0.cast_signed())
        .bind::<sql_types::BigInt, _>(after.number.cast_signed())
        .load(conn)?;
    rows.into_iter().map(Wanted::try_from).collect()
}

/// What passes that reach at least as far as `cursor` have stamped.
pub fn stamped_since(conn: &mut Conn, cursor: Cursor) -> Result<Vec<Wanted>, DbError> {
    let query = format!("{WANTED} WHERE xid > $1 OR xid = $1 AND seq >= $2 ORDER BY rack, scope");
    let rows: Vec<WantedRow> = sql_query(query)
        .bind::<sql_types::BigInt, _>(cursor.xid)
        .bind::<sql_types::BigInt, _>(cursor.seq)
        .load(conn)?;
    rows.into_iter().map(Wanted::try_from).collect()
}

pub fn save_wanted(conn: &mut Conn, wanted: &Wanted) -> Result<(), DbError> {
    let upsert = "INSERT INTO scopes (rack, scope, name, epoch, number, digest, content, withdrawn, xid, seq) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                  ON CONFLICT (rack, scope) DO UPDATE SET name = excluded.name, \
                  epoch = excluded.epoch, number = excluded.number, digest = excluded.digest, \
                  content = excluded.content, withdrawn = excluded.withdrawn, \
                  xid = excluded.xid, seq = excluded.seq";
    sql_query(upsert)
        .bind::<sql_types::Binary, _>(wanted.rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(&wanted.scope)
        .bind::<sql_types::Text, _>(&wanted.name)
        .bind::<sql_types::BigInt, _>(wanted.generation.epoch.0.cast_signed())
        .bind::<sql_types::BigInt, _>(wanted.generation.number.cast_signed())
        .bind::<sql_types::Binary, _>(wanted.digest.to_vec())
        .bind::<sql_types::Binary, _>(&wanted.content)
        .bind::<sql_types::Bool, _>(wanted.withdrawn)
        .bind::<sql_types::BigInt, _>(wanted.cursor.xid)
        .bind::<sql_types::BigInt, _>(wanted.cursor.seq)
        .execute(conn)?;
    Ok(())
}

/// Everything gets the generation, so that racks that saw higher numbers take it all again.
pub fn restamp_all(conn: &mut Conn, to: Generation) -> Result<(), DbError> {
    for table in ["scopes", "refused_scopes"] {
        sql_query(format!("UPDATE {table} SET epoch = $1, number = $2, xid = 0, seq = 0"))
            .bind::<sql_types::BigInt, _>(to.epoch.0.cast_signed())
            .bind::<sql_types::BigInt, _>(to.number.cast_signed())
            .execute(conn)?;
    }
    Ok(())
}

const SAID: &str = "SELECT rack, scope, epoch, number, status, at FROM verdicts";

pub fn said(conn: &mut Conn) -> Result<Vec<Said>, DbError> {
    let rows: Vec<SaidRow> = sql_query(SAID).load(conn)?;
    rows.into_iter().map(Said::try_from).collect()
}

pub fn said_by(conn: &mut Conn, rack: RackId) -> Result<Vec<Said>, DbError> {
    let rows: Vec<SaidRow> = sql_query(format!("{SAID} WHERE rack = $1"))
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .load(conn)?;
    rows.into_iter().map(Said::try_from).collect()
}

pub fn save_said(conn: &mut Conn, said: &Said) -> Result<(), DbError> {
    let upsert = "INSERT INTO verdicts (rack, scope, epoch, number, status, at) \
                  VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (rack, scope) DO UPDATE SET \
                  epoch = excluded.epoch, number = excluded.number, \
                  status = excluded.status, at = excluded.at";
    sql_query(upsert)
        .bind::<sql_types::Binary, _>(said.rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(&said.scope)
        .bind::<sql_types::BigInt, _>(said.generation.epoch.0.cast_signed())
        .bind::<sql_types::BigInt, _>(said.generation.number.cast_signed())
        .bind::<sql_types::Binary, _>(&said.status)
        .bind::<sql_types::BigInt, _>(said.at)
        .execute(conn)?;
    Ok(())
}

/// The rack has let go of a scope: nothing is wanted of it or said by it any more.
pub fn forget(conn: &mut Conn, rack: RackId, scope: &str, table: Table) -> Result<(), DbError> {
    let (name, only) = match table {
        Table::Wanted => ("scopes", " AND withdrawn"),
        Table::Said => ("verdicts", ""),
    };
    sql_query(format!("DELETE FROM {name} WHERE rack = $1 AND scope = $2{only}"))
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(scope)
        .execute(conn)?;
    Ok(())
}

/// Withdrawals that the rack has followed: it no longer lists them.
pub fn forget_withdrawn(
    conn: &mut Conn,
    rack: RackId,
    listed: &BTreeSet<&str>,
) -> Result<(), DbError> {
    let withdrawn = wanted_of(conn, rack, Generation::default())?;
    let gone = withdrawn.iter().filter(|own| own.withdrawn && !listed.contains(own.scope.as_str()));
    gone.into_iter().try_for_each(|own| forget(conn, rack, &own.scope, Table::Wanted))
}

/// What people call a scope that is wanted.
pub fn name(conn: &mut Conn, rack: RackId, scope: &str) -> Result<Option<String>, DbError> {
    let rows: Vec<WantedRow> = sql_query(format!("{WANTED} WHERE rack = $1 AND scope = $2"))
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(scope)
        .load(conn)?;
    Ok(rows.into_iter().next().map(|row| row.name))
}

#[derive(Clone, Copy, Debug)]
pub enum Table {
    Wanted,
    Said,
}

pub(super) fn generation(epoch: i64, number: i64) -> Generation {
    Generation { epoch: Epoch(epoch.cast_unsigned()), number: number.cast_unsigned() }
}

pub(super) fn cursor(epoch: i64, xid: i64, seq: i64) -> Cursor {
    Cursor { epoch: Epoch(epoch.cast_unsigned()), xid, seq }
}

pub(super) fn rack(bytes: &[u8]) -> Result<RackId, DbError> {
    uuid::Uuid::from_slice(bytes)
        .map(RackId::new)
        .map_err(|error| corrupt("rack", error.to_string()))
}

fn corrupt(id: &str, what: String) -> DbError {
    DbError::Corrupt { table: "scopes", id: id.into(), what }
}

impl TryFrom<WantedRow> for Wanted {
    type Error = DbError;

    fn try_from(row: WantedRow) -> Result<Self, DbError> {
        let digest = Digest::try_from(row.digest.as_slice())
            .map_err(|_| corrupt(&row.scope, "a digest that is not 32 bytes".into()))?;
        Ok(Self {
            rack: rack(&row.rack)?,
            scope: row.scope,
            name: row.name,
            generation: generation(row.epoch, row.number),
            digest,
            content: row.content,
            withdrawn: row.withdrawn,
            cursor: cursor(row.epoch, row.xid, row.seq),
        })
    }
}

impl TryFrom<SaidRow> for Said {
    type Error = DbError;

    fn try_from(row: SaidRow) -> Result<Self, DbError> {
        Ok(Self {
            rack: rack(&row.rack)?,
            scope: row.scope,
            generation: generation(row.epoch, row.number),
            status: row.status,
            at: row.at,
        })
    }
}
