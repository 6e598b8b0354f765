//! What each rack last said of itself, and whether some region holds its stream.

use common::{RackId, Timestamp};
use diesel::{prelude::*, sql_query, sql_types};
use uuid::Uuid;

use super::{Conn, DbError};

#[derive(Clone, Debug, QueryableByName)]
pub struct SessionRow {
    #[diesel(sql_type = sql_types::Binary)]
    pub rack: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    pub session: Vec<u8>,
    #[diesel(sql_type = sql_types::Bool)]
    pub connected: bool,
    /// Of hostler-rack.
    #[diesel(sql_type = sql_types::Text)]
    pub version: String,
    #[diesel(sql_type = sql_types::Binary)]
    pub incarnation: Vec<u8>,
    #[diesel(sql_type = sql_types::BigInt)]
    pub connected_at: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    pub last_seen: i64,
    /// `v1::ServiceStatuses`.
    #[diesel(sql_type = sql_types::Binary)]
    pub services: Vec<u8>,
    /// `v1::RackInterfaces`.
    #[diesel(sql_type = sql_types::Binary)]
    pub interfaces: Vec<u8>,
    /// `v1::RackCounts`; None: the rack told none.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Binary>)]
    pub counts: Option<Vec<u8>>,
}

const ALL: &str = "SELECT rack, session, connected, version, incarnation, connected_at, last_seen, \
                   services, interfaces, counts FROM rack_sessions";

pub fn load_all(conn: &mut Conn) -> Result<Vec<SessionRow>, DbError> {
    Ok(sql_query(ALL).load(conn)?)
}

pub fn find(conn: &mut Conn, rack: RackId) -> Result<Option<SessionRow>, DbError> {
    let query = sql_query(format!("{ALL} WHERE rack = $1"));
    let query = query.bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec());
    Ok(query.get_result(conn).optional()?)
}

/// A newer stream of the same rack takes the row over.
pub fn open(conn: &mut Conn, row: &SessionRow) -> Result<(), DbError> {
    let upsert = "INSERT INTO rack_sessions (rack, session, connected, version, incarnation, \
                  connected_at, last_seen, services, interfaces, counts) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (rack) DO UPDATE SET \
                  session = excluded.session, connected = excluded.connected, \
                  version = excluded.version, incarnation = excluded.incarnation, \
                  connected_at = excluded.connected_at, last_seen = excluded.last_seen, \
                  services = excluded.services, interfaces = excluded.interfaces, \
                  counts = excluded.counts";
    sql_query(upsert)
        .bind::<sql_types::Binary, _>(&row.rack)
        .bind::<sql_types::Binary, _>(&row.session)
        .bind::<sql_types::Bool, _>(row.connected)
        .bind::<sql_types::Text, _>(&row.version)
        .bind::<sql_types::Binary, _>(&row.incarnation)
        .bind::<sql_types::BigInt, _>(row.connected_at)
        .bind::<sql_types::BigInt, _>(row.last_seen)
        .bind::<sql_types::Binary, _>(&row.services)
        .bind::<sql_types::Binary, _>(&row.interfaces)
        .bind::<sql_types::Nullable<sql_types::Binary>, _>(&row.counts)
        .execute(conn)?;
    Ok(())
}

/// False: it was closed before, or a newer stream has the row.
pub fn close(conn: &mut Conn, rack: RackId, session: Uuid) -> Result<bool, DbError> {
    let update = "UPDATE rack_sessions SET connected = FALSE \
                  WHERE rack = $1 AND session = $2 AND connected";
    let closed = sql_query(update)
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Binary, _>(session.as_bytes().to_vec())
        .execute(conn)?;
    Ok(closed > 0)
}

/// The stream is alive, and these are its rack's counts. False: it was closed, or a newer one has the row.
pub fn touch(
    conn: &mut Conn,
    session: Uuid,
    now: Timestamp,
    counts: Option<&[u8]>,
) -> Result<bool, DbError> {
    let update = "UPDATE rack_sessions SET last_seen = $1, counts = $2 \
                  WHERE session = $3 AND connected";
    let touched = sql_query(update)
        .bind::<sql_types::BigInt, _>(now.micros())
        .bind::<sql_types::Nullable<sql_types::Binary>, _>(counts)
        .bind::<sql_types::Binary, _>(session.as_bytes().to_vec())
        .execute(conn)?;
    Ok(touched > 0)
}

#[derive(QueryableByName)]
struct CountsRow {
    #[diesel(sql_type = sql_types::Binary)]
    session: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    counts: Vec<u8>,
}

/// Of each open stream whose rack told them.
pub fn counts(conn: &mut Conn) -> Result<Vec<(Uuid, Vec<u8>)>, DbError> {
    let query = "SELECT session, counts FROM rack_sessions WHERE connected AND counts IS NOT NULL";
    let rows: Vec<CountsRow> = sql_query(query).load(conn)?;
    let read = |row: CountsRow| Some((Uuid::from_slice(&row.session).ok()?, row.counts));
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Streams that no living region speaks for.
pub fn silent_since(conn: &mut Conn, before: Timestamp) -> Result<Vec<SessionRow>, DbError> {
    let query = format!("{ALL} WHERE connected AND last_seen < $1");
    Ok(sql_query(query).bind::<sql_types::BigInt, _>(before.micros()).load(conn)?)
}

pub fn set_services(conn: &mut Conn, session: Uuid, services: &[u8]) -> Result<(), DbError> {
    set(conn, session, "services", services)
}

pub fn set_interfaces(conn: &mut Conn, session: Uuid, interfaces: &[u8]) -> Result<(), DbError> {
    set(conn, session, "interfaces", interfaces)
}

fn set(conn: &mut Conn, session: Uuid, column: &str, value: &[u8]) -> Result<(), DbError> {
    sql_query(format!("UPDATE rack_sessions SET {column} = $1 WHERE session = $2"))
        .bind::<sql_types::Binary, _>(value)
        .bind::<sql_types::Binary, _>(session.as_bytes().to_vec())
        .execute(conn)?;
    Ok(())
}

impl SessionRow {
    /// None: the row is not one that this wrote.
    pub fn ids(&self) -> Option<(RackId, Uuid)> {
        let rack = Uuid::from_slice(&self.rack).ok().map(RackId::new)?;
        Some((rack, Uuid::from_slice(&self.session).ok()?))
    }
}
