//! The log in the database.

use common::{Epoch, Timestamp, event_types::Level};
use diesel::{dsl::sql, prelude::*, sql_query, sql_types};
use proto::v1::Change;
use uuid::Uuid;

use super::Cursor;
use crate::db::{Backend, Conn, DbError, condition::Sql, schema::events};

/// One that is in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub cursor: Cursor,
    pub at: Timestamp,
    /// subnet.updated, or one of the catalogue.
    pub name: String,
    pub level: Level,
    /// What became of the resource; unspecified when nothing did.
    pub change: Change,
    /// May be empty, as all that follow.
    pub kind: String,
    pub object: Option<Uuid>,
    pub key: String,
    pub revision: i64,
    pub actor: String,
    pub detail: String,
    /// The resource, encoded.
    pub body: Vec<u8>,
}

/// One that is to be in the log. Its level is the catalogue's for its name.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    pub at: Timestamp,
    pub name: &'a str,
    pub change: Change,
    pub kind: &'a str,
    pub object: Option<Uuid>,
    pub key: &'a str,
    pub revision: i64,
    pub actor: &'a str,
    pub detail: &'a str,
    pub body: &'a [u8],
}

impl<'a> NewEvent<'a> {
    /// One that is about no resource.
    pub fn plain(at: Timestamp, name: &'a str, actor: &'a str, detail: &'a str) -> Self {
        Self {
            at,
            name,
            change: Change::Unspecified,
            kind: "",
            object: None,
            key: "",
            revision: 0,
            actor,
            detail,
            body: &[],
        }
    }

    fn level(&self) -> Level {
        common::event_types::by_name(self.name).map_or(Level::Info, |row| row.level)
    }
}

pub fn append(conn: &mut Conn, event: &NewEvent<'_>) -> Result<Cursor, DbError> {
    append_many(conn, std::slice::from_ref(event)).map(|last| last.expect("one was appended"))
}

/// Rows of one statement: 11 values each, and SQLite takes 32,766.
const ROWS: usize = 512;

/// All of them in as few statements as possible; where the last of them is.
pub fn append_many(conn: &mut Conn, new: &[NewEvent<'_>]) -> Result<Option<Cursor>, DbError> {
    if new.is_empty() {
        return Ok(None);
    }
    let state = state(conn)?;
    let xid = match conn {
        Conn::Postgres(_) => format!("pg_current_xact_id()::text::bigint + {}", state.xid_base),
        Conn::Sqlite(_) => "0".into(),
    };
    let mut last = None;
    for chunk in new.chunks(ROWS) {
        let row = |row| format!("({xid},{}", &crate::db::placeholders(row, 11)[1..]);
        let rows: Vec<String> = (0..chunk.len()).map(row).collect();
        let text = format!(
            "INSERT INTO events (xid, at, type, level, change, kind, object, key, revision, actor, detail, body) \
             VALUES {} RETURNING xid, seq",
            rows.join(",")
        );
        let text = crate::db::numbered(conn, text);
        let mut statement = sql_query(text).into_boxed::<Backend>();
        for event in chunk {
            statement = statement
                .bind::<sql_types::BigInt, _>(event.at.micros())
                .bind::<sql_types::Text, _>(event.name)
                .bind::<sql_types::BigInt, _>(level_number(event.level()))
                .bind::<sql_types::BigInt, _>(i64::from(event.change as i32))
                .bind::<sql_types::Text, _>(event.kind)
                .bind::<sql_types::Binary, _>(
                    event.object.map(Uuid::into_bytes).map_or(Vec::new(), Vec::from),
                )
                .bind::<sql_types::Text, _>(event.key)
                .bind::<sql_types::BigInt, _>(event.revision)
                .bind::<sql_types::Text, _>(event.actor)
                .bind::<sql_types::Text, _>(event.detail)
                .bind::<sql_types::Binary, _>(event.body);
        }
        let places: Vec<Place> = statement.load(conn)?;
        last = places.iter().map(|place| (place.xid, place.seq)).max().max(last);
    }
    Ok(last.map(|(xid, seq)| Cursor { epoch: state.epoch(), xid, seq }))
}

fn level_number(level: Level) -> i64 {
    match level {
        Level::Info => 0,
        Level::Warning => 1,
        Level::Error => 2,
    }
}

pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = sql_types::BigInt)]
    xid: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    seq: i64,
}

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = sql_types::BigInt)]
    epoch: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    floor_xid: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    floor_seq: i64,
    /// Added to the server's own numbers of transactions, here and in the rows.
    #[diesel(sql_type = sql_types::BigInt)]
    xid_base: i64,
    /// Every event up to here is visible to this transaction; none will come before it.
    #[diesel(sql_type = sql_types::BigInt)]
    end_xid: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    end_seq: i64,
    /// The newest transaction that has begun.
    #[diesel(sql_type = sql_types::BigInt)]
    newest_xid: i64,
}

fn state(conn: &mut Conn) -> Result<State, DbError> {
    let text = match conn {
        Conn::Postgres(_) => {
            "SELECT epoch, floor_xid, floor_seq, xid_base, \
             xid_base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 AS end_xid, 9223372036854775807 AS end_seq, \
             xid_base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1 AS newest_xid FROM log_state"
        }
        Conn::Sqlite(_) => {
            "SELECT epoch, floor_xid, floor_seq, xid_base, 0 AS end_xid, \
             coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS end_seq, \
             0 AS newest_xid FROM log_state"
        }
    };
    Ok(sql_query(text).get_result(conn)?)
}

/// How far the log can be read.
#[derive(Clone, Copy, Debug)]
pub struct Horizon {
    pub cursor: Cursor,
    /// No transaction is running that may still write before what is written already.
    pub settled: bool,
    /// Whatever this view of the database does not show has at least this transaction number.
    pub unseen_from: i64,
}

pub fn horizon(conn: &mut Conn) -> Result<Horizon, DbError> {
    state(conn).map(|state| state.horizon())
}

/// Since when there is something that cannot be read yet, because an older transaction still runs.
pub fn unread_since(conn: &mut Conn) -> Result<Option<Timestamp>, DbError> {
    let end = state(conn)?.end_xid;
    let oldest: Option<i64> = events::table
        .select(diesel::dsl::min(events::at))
        .filter(events::xid.gt(end))
        .first(conn)?;
    Ok(oldest.map(Timestamp::from_micros))
}

impl State {
    fn epoch(&self) -> Epoch {
        Epoch(self.epoch.cast_unsigned())
    }

    fn floor(&self) -> Cursor {
        Cursor { epoch: self.epoch(), xid: self.floor_xid, seq: self.floor_seq }
    }

    fn horizon(&self) -> Horizon {
        Horizon {
            cursor: Cursor { epoch: self.epoch(), xid: self.end_xid, seq: self.end_seq },
            settled: self.end_xid == self.newest_xid,
            unseen_from: self.newest_xid + 1,
        }
    }

    /// From another life of the database, or from before what is kept: nothing can go on from there.
    fn has_lost(&self, cursor: Cursor) -> bool {
        let ahead = match self.newest_xid {
            0 => cursor.xid > 0 || cursor.seq > self.end_seq,
            newest => cursor.xid > newest,
        };
        cursor.epoch != self.epoch() || cursor < self.floor() || ahead
    }
}

/// Where the log is now, transactions of others that are not seen yet included: what is committed has this behind it.
pub fn now(conn: &mut Conn) -> Result<Cursor, DbError> {
    let state = state(conn)?;
    let seq = if state.newest_xid == 0 { state.end_seq } else { i64::MAX };
    Ok(Cursor { epoch: state.epoch(), xid: state.newest_xid, seq })
}

pub fn epoch(conn: &mut Conn) -> Result<Epoch, DbError> {
    state(conn).map(|state| state.epoch())
}

/// What is read of the log in one go.
#[derive(Clone, Debug)]
pub enum Batch {
    /// In order; the horizon is how far it was looked.
    Events(Vec<Event>, Horizon),
    /// The cursor is of another epoch, or older than what is kept, which begins here.
    Compacted(Cursor),
}

pub fn after(conn: &mut Conn, cursor: Cursor, limit: i64) -> Result<Batch, DbError> {
    let state = state(conn)?;
    if state.has_lost(cursor) {
        return Ok(Batch::Compacted(state.floor()));
    }
    let horizon = state.horizon();
    let found = events::table
        .select(Row::as_select())
        .filter(place_is(">", cursor))
        .filter(events::xid.le(state.end_xid))
        .order((events::xid, events::seq))
        .limit(limit)
        .load(conn)?;
    Ok(Batch::Events(found.into_iter().map(|row| row.event(state.epoch())).collect(), horizon))
}

/// A row comparison, because both databases walk an index by it.
pub(crate) fn place_is(operator: &str, cursor: Cursor) -> Sql<events::table> {
    let place = sql::<sql_types::Bool>(&format!("(xid, seq) {operator} ("))
        .bind::<sql_types::BigInt, _>(cursor.xid)
        .sql(", ")
        .bind::<sql_types::BigInt, _>(cursor.seq)
        .sql(")");
    Box::new(place)
}

pub fn find(conn: &mut Conn, cursor: Cursor) -> Result<Option<Event>, DbError> {
    let epoch = epoch(conn)?;
    let row = events::table
        .select(Row::as_select())
        .filter(events::seq.eq(cursor.seq).and(events::xid.eq(cursor.xid)))
        .first(conn)
        .optional()?;
    Ok(row.filter(|_| epoch == cursor.epoch).map(|row: Row| row.event(epoch)))
}

/// The place before the newest `count` events that can be seen.
pub fn newest(conn: &mut Conn, count: i64) -> Result<Cursor, DbError> {
    let horizon = state(conn)?;
    if count == 0 {
        return Ok(horizon.horizon().cursor);
    }
    let before: Option<(i64, i64)> = events::table
        .select((events::xid, events::seq))
        .filter(events::xid.le(horizon.end_xid))
        .order((events::xid.desc(), events::seq.desc()))
        .offset(count)
        .first(conn)
        .optional()?;
    let place = before.map(|(xid, seq)| Cursor { epoch: horizon.epoch(), xid, seq });
    Ok(place.unwrap_or_else(|| horizon.floor()))
}

/// A new life of the database: cursors of the old one are worth nothing any more. What is in the log stays there, in its order, before all that comes.
pub fn raise_epoch(conn: &mut Conn, to: Epoch) -> Result<(), DbError> {
    sql_query("UPDATE log_state SET epoch = $1")
        .bind::<sql_types::BigInt, _>(to.0.cast_signed())
        .execute(conn)?;
    Ok(())
}

/// The first region on a database makes its epoch. One that finds events of transactions that are yet to come has been restored: from now on transactions
/// are counted from the newest of those.
pub(super) fn begin_epoch(conn: &mut Conn, now: Timestamp) -> Result<(), DbError> {
    let fresh = Epoch(now.seconds().unsigned_abs());
    // Of two regions that start at once, the second finds what the first wrote.
    let begun = sql_query("INSERT INTO log_state (one, epoch, floor_xid, floor_seq) VALUES (1, $1, 0, 0) ON CONFLICT (one) DO NOTHING")
        .bind::<sql_types::BigInt, _>(fresh.0.cast_signed())
        .execute(conn)?;
    if begun > 0 {
        return Ok(());
    }
    if matches!(conn, Conn::Postgres(_)) {
        sql_query("SELECT one FROM log_state FOR UPDATE").execute(conn)?;
    }
    let state = state(conn)?;
    let newest: Option<i64> = events::table.select(diesel::dsl::max(events::xid)).first(conn)?;
    let newest = newest.unwrap_or_default();
    if newest > state.newest_xid {
        let raised = Epoch(fresh.0.max(state.epoch().0 + 1));
        tracing::warn!(epoch = raised.0, "the database was restored; a new epoch begins");
        raise_epoch(conn, raised)?;
        sql_query("UPDATE log_state SET xid_base = $1")
            .bind::<sql_types::BigInt, _>(newest)
            .execute(conn)?;
        append(conn, &NewEvent::plain(now, "region.epoch", "region", "the database was restored"))?;
    }
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = events)]
pub(crate) struct Row {
    xid: i64,
    seq: i64,
    at: i64,
    type_: String,
    level: i64,
    change: i64,
    kind: String,
    object: Vec<u8>,
    key: String,
    revision: i64,
    actor: String,
    detail: String,
    body: Vec<u8>,
}

impl Row {
    pub(crate) fn event(self, epoch: Epoch) -> Event {
        let change = i32::try_from(self.change).ok().and_then(|change| change.try_into().ok());
        Event {
            cursor: Cursor { epoch, xid: self.xid, seq: self.seq },
            at: Timestamp::from_micros(self.at),
            name: self.type_,
            level: match self.level {
                0 => Level::Info,
                1 => Level::Warning,
                _ => Level::Error,
            },
            change: change.unwrap_or(Change::Unspecified),
            kind: self.kind,
            object: Uuid::from_slice(&self.object).ok(),
            key: self.key,
            revision: self.revision,
            actor: self.actor,
            detail: self.detail,
            body: self.body,
        }
    }
}
