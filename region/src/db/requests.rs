//! Requests that go to a rack by way of another region process: the one that asks and the one that holds the stream meet in a row.

use common::RackId;
use diesel::{prelude::*, sql_query, sql_types};
use std::time::Duration;
use uuid::Uuid;

use super::{Conn, DbError};

/// One that this process is to carry out.
#[derive(Clone, Debug)]
pub struct Taken {
    pub id: Uuid,
    pub rack: RackId,
    pub session: Uuid,
    /// Encoded `v1::Request`.
    pub request: Vec<u8>,
    /// What is left of its time.
    pub within: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody has taken it up.
    Asked,
    /// On its way to the rack, or with it.
    Taken,
    /// Encoded `v1::Answer`.
    Answered(Vec<u8>),
    /// It never left for the rack.
    Unreachable,
    /// The rack did not answer in time.
    Unknown,
}

impl Outcome {
    fn columns(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Asked => ("asked", &[]),
            Self::Taken => ("taken", &[]),
            Self::Answered(answer) => ("answered", answer),
            Self::Unreachable => ("unreachable", &[]),
            Self::Unknown => ("unknown", &[]),
        }
    }
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = sql_types::Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    rack: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    session: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    request: Vec<u8>,
}

#[derive(QueryableByName)]
struct Left {
    #[diesel(sql_type = sql_types::BigInt)]
    micros: i64,
}

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::Binary)]
    answer: Vec<u8>,
}

/// Microseconds since 1970 by the database.
fn clock(conn: &Conn) -> &'static str {
    match conn {
        Conn::Postgres(_) => "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
        Conn::Sqlite(_) => "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)",
    }
}

/// For whoever holds the rack's stream now. False: nobody does.
pub fn ask(
    conn: &mut Conn,
    id: Uuid,
    rack: RackId,
    request: &[u8],
    within: Duration,
) -> Result<bool, DbError> {
    let insert = format!(
        "INSERT INTO rack_requests (id, rack, session, request, deadline, state, answer) \
         SELECT $1, rack, session, $2, {} + $3, 'asked', $4 FROM rack_sessions \
         WHERE rack = $5 AND connected",
        clock(conn)
    );
    let asked = sql_query(insert)
        .bind::<sql_types::Binary, _>(id.as_bytes().to_vec())
        .bind::<sql_types::Binary, _>(request)
        .bind::<sql_types::BigInt, _>(i64::try_from(within.as_micros()).unwrap_or(i64::MAX))
        .bind::<sql_types::Binary, _>(Vec::new())
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .execute(conn)?;
    Ok(asked > 0)
}

/// Those that nobody has taken up, of any region's streams.
pub fn waiting(conn: &mut Conn) -> Result<Vec<Taken>, DbError> {
    let select = format!(
        "SELECT id, rack, session, request FROM rack_requests WHERE state = 'asked' AND deadline > {}",
        clock(conn)
    );
    let rows: Vec<Waiting> = sql_query(select).load(conn)?;
    let read = |row: Waiting| {
        Some(Taken {
            id: Uuid::from_slice(&row.id).ok()?,
            rack: Uuid::from_slice(&row.rack).ok().map(RackId::new)?,
            session: Uuid::from_slice(&row.session).ok()?,
            request: row.request,
            within: Duration::ZERO,
        })
    };
    Ok(rows.into_iter().filter_map(read).collect())
}

/// What is left of its time; None: it was taken, ended, or is too late.
pub fn take(conn: &mut Conn, id: Uuid) -> Result<Option<Duration>, DbError> {
    let clock = clock(conn);
    let update = format!(
        "UPDATE rack_requests SET state = 'taken' \
         WHERE id = $1 AND state = 'asked' AND deadline > {clock} RETURNING deadline - {clock} AS micros"
    );
    let left: Option<Left> = sql_query(update)
        .bind::<sql_types::Binary, _>(id.as_bytes().to_vec())
        .get_result(conn)
        .optional()?;
    Ok(left.map(|left| Duration::from_micros(left.micros.unsigned_abs())))
}

/// Once, by the one who took it; whoever asked may have given up.
pub fn answer(conn: &mut Conn, id: Uuid, outcome: &Outcome) -> Result<(), DbError> {
    let (state, answer) = outcome.columns();
    let update =
        "UPDATE rack_requests SET state = $1, answer = $2 WHERE id = $3 AND state = 'taken'";
    sql_query(update)
        .bind::<sql_types::Text, _>(state)
        .bind::<sql_types::Binary, _>(answer)
        .bind::<sql_types::Binary, _>(id.as_bytes().to_vec())
        .execute(conn)?;
    Ok(())
}

/// None: it was swept up.
pub fn look(conn: &mut Conn, id: Uuid) -> Result<Option<Outcome>, DbError> {
    read(conn, id, "SELECT state, answer FROM rack_requests WHERE id = $1")
}

/// As it was at its end: nobody takes it up after this.
pub fn end(conn: &mut Conn, id: Uuid) -> Result<Option<Outcome>, DbError> {
    read(conn, id, "DELETE FROM rack_requests WHERE id = $1 RETURNING state, answer")
}

fn read(conn: &mut Conn, id: Uuid, query: &str) -> Result<Option<Outcome>, DbError> {
    let found: Option<State> = sql_query(query)
        .bind::<sql_types::Binary, _>(id.as_bytes().to_vec())
        .get_result(conn)
        .optional()?;
    let outcome = |row: State| match row.state.as_str() {
        "asked" => Ok(Outcome::Asked),
        "taken" => Ok(Outcome::Taken),
        "answered" => Ok(Outcome::Answered(row.answer)),
        "unreachable" => Ok(Outcome::Unreachable),
        "unknown" => Ok(Outcome::Unknown),
        other => Err(DbError::Corrupt {
            table: "rack_requests",
            id: id.to_string(),
            what: format!("state {other:?}"),
        }),
    };
    found.map(outcome).transpose()
}

/// Those whose asker went without ending them.
pub fn sweep(conn: &mut Conn, past: Duration) -> Result<usize, DbError> {
    let delete = format!("DELETE FROM rack_requests WHERE deadline < {} - $1", clock(conn));
    let past = i64::try_from(past.as_micros()).unwrap_or(i64::MAX);
    Ok(sql_query(delete).bind::<sql_types::BigInt, _>(past).execute(conn)?)
}
