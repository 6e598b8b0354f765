//! How far each rack's facts are recorded, and what a snapshot that is still coming in has named.

use common::{RackId, report::FactClass};
use diesel::{
    prelude::*,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_query, sql_types,
};
use uuid::Uuid;

use super::{Backend, Conn, DbError, numbered};

/// Whose facts: a rack that lost its disk numbers them anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outbox {
    pub rack: RackId,
    pub incarnation: Uuid,
    pub class: FactClass,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    number: i64,
}

/// Everything up to this number is recorded.
pub fn load(conn: &mut Conn, outbox: Outbox) -> Result<u64, DbError> {
    read(conn, outbox, "")
}

/// Until the transaction ends, nobody else records facts of this outbox.
pub fn lock(conn: &mut Conn, outbox: Outbox) -> Result<u64, DbError> {
    // So that there is a row to lock.
    let insert = "INSERT INTO outbox_positions (rack, incarnation, class, number) \
                  VALUES ($1, $2, $3, 0) ON CONFLICT (rack, incarnation, class) DO NOTHING";
    bound(sql_query(insert), outbox).execute(conn)?;
    let lock = if matches!(conn, Conn::Postgres(_)) { " FOR UPDATE" } else { "" };
    read(conn, outbox, lock)
}

pub fn save(conn: &mut Conn, outbox: Outbox, number: u64) -> Result<(), DbError> {
    // SQLite numbers what is bound by where it comes first in the text, so $1 to $4 come in order.
    let upsert = "INSERT INTO outbox_positions (rack, incarnation, class, number) \
                  VALUES ($1, $2, $3, $4) ON CONFLICT (rack, incarnation, class) DO UPDATE SET \
                  number = excluded.number";
    bound(sql_query(upsert), outbox)
        .bind::<sql_types::BigInt, _>(number.cast_signed())
        .execute(conn)?;
    Ok(())
}

/// Of a rack's incarnations only these two are of interest: the one that there is, and the one before, of which something may still be under way.
pub fn keep_only(conn: &mut Conn, rack: RackId, kept: [&[u8]; 2]) -> Result<(), DbError> {
    let delete =
        "DELETE FROM outbox_positions WHERE rack = $1 AND incarnation <> $2 AND incarnation <> $3";
    sql_query(delete)
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Binary, _>(kept[0])
        .bind::<sql_types::Binary, _>(kept[1])
        .execute(conn)?;
    Ok(())
}

fn read(conn: &mut Conn, outbox: Outbox, lock: &str) -> Result<u64, DbError> {
    let query = format!(
        "SELECT number FROM outbox_positions \
         WHERE rack = $1 AND incarnation = $2 AND class = $3{lock}"
    );
    let found: Option<Row> = bound(sql_query(query), outbox).get_result(conn).optional()?;
    Ok(found.map_or(0, |row| row.number.cast_unsigned()))
}

fn bound<'a>(query: SqlQuery, outbox: Outbox) -> BoxedSqlQuery<'a, Backend, SqlQuery> {
    query
        .into_boxed()
        .bind::<sql_types::Binary, _>(outbox.rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Binary, _>(outbox.incarnation.as_bytes().to_vec())
        .bind::<sql_types::Text, _>(class_name(outbox.class))
}

fn class_name(class: FactClass) -> &'static str {
    match class {
        FactClass::Lease => "lease",
        FactClass::Boot => "boot",
    }
}

/// A snapshot begins, perhaps once more.
pub fn begin_snapshot(conn: &mut Conn, rack: RackId) -> Result<(), DbError> {
    sql_query("DELETE FROM snapshot_leases WHERE rack = $1")
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .execute(conn)?;
    Ok(())
}

/// The snapshot of this rack names these leases.
pub fn note_named(conn: &mut Conn, rack: RackId, leases: &[Uuid]) -> Result<(), DbError> {
    for chunk in leases.chunks(256) {
        let rows: Vec<String> = (0..chunk.len()).map(|at| format!("($1, ${})", at + 2)).collect();
        let insert = format!(
            "INSERT INTO snapshot_leases (rack, lease) VALUES {} ON CONFLICT (rack, lease) DO NOTHING",
            rows.join(", ")
        );
        let query = sql_query(numbered(conn, insert))
            .into_boxed::<Backend>()
            .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec());
        let bind = |query: BoxedSqlQuery<'static, Backend, SqlQuery>, lease: &Uuid| {
            query.bind::<sql_types::Binary, _>(lease.as_bytes().to_vec())
        };
        chunk.iter().fold(query, bind).execute(conn)?;
    }
    Ok(())
}
