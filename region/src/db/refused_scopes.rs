//! Scopes that region itself cannot build, and why: beside `scopes`, which has what was built last.

use common::{Generation, RackId, generation::Digest};
use diesel::{prelude::*, sql_query, sql_types};

use super::{
    Conn, DbError,
    scopes::{cursor, generation, rack},
};
use crate::events::Cursor;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedScope {
    pub rack: RackId,
    pub scope: String,
    /// For people: dhcp dc1/10
    pub name: String,
    /// Of the pass that met it.
    pub generation: Generation,
    /// Of the verdict: another one is news.
    pub digest: Digest,
    /// Of what it should have been built from: whoever changed that learns that it is refused, if only once more.
    pub source: Digest,
    /// Encoded `v1::Verdict`.
    pub verdict: Vec<u8>,
    /// How far into the event log that pass reached.
    pub cursor: Cursor,
}

#[derive(QueryableByName)]
struct Row {
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
    source: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    verdict: Vec<u8>,
    #[diesel(sql_type = sql_types::BigInt)]
    xid: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    seq: i64,
}

const ALL: &str = "SELECT rack, scope, name, epoch, number, digest, source, verdict, xid, seq \
                   FROM refused_scopes";

pub fn load_all(conn: &mut Conn) -> Result<Vec<RefusedScope>, DbError> {
    let rows: Vec<Row> = sql_query(format!("{ALL} ORDER BY rack, scope")).load(conn)?;
    rows.into_iter().map(RefusedScope::try_from).collect()
}

pub fn save(conn: &mut Conn, refused: &RefusedScope) -> Result<(), DbError> {
    let upsert = "INSERT INTO refused_scopes (rack, scope, name, epoch, number, digest, source, verdict, xid, seq) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
                  ON CONFLICT (rack, scope) DO UPDATE SET name = excluded.name, \
                  epoch = excluded.epoch, number = excluded.number, digest = excluded.digest, \
                  source = excluded.source, verdict = excluded.verdict, \
                  xid = excluded.xid, seq = excluded.seq";
    sql_query(upsert)
        .bind::<sql_types::Binary, _>(refused.rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(&refused.scope)
        .bind::<sql_types::Text, _>(&refused.name)
        .bind::<sql_types::BigInt, _>(refused.generation.epoch.0.cast_signed())
        .bind::<sql_types::BigInt, _>(refused.generation.number.cast_signed())
        .bind::<sql_types::Binary, _>(refused.digest.to_vec())
        .bind::<sql_types::Binary, _>(refused.source.to_vec())
        .bind::<sql_types::Binary, _>(&refused.verdict)
        .bind::<sql_types::BigInt, _>(refused.cursor.xid)
        .bind::<sql_types::BigInt, _>(refused.cursor.seq)
        .execute(conn)?;
    Ok(())
}

pub fn forget(conn: &mut Conn, rack: RackId, scope: &str) -> Result<(), DbError> {
    sql_query("DELETE FROM refused_scopes WHERE rack = $1 AND scope = $2")
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(scope)
        .execute(conn)?;
    Ok(())
}

impl TryFrom<Row> for RefusedScope {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let digest = |bytes: &[u8]| {
            Digest::try_from(bytes).map_err(|_| DbError::Corrupt {
                table: "refused_scopes",
                id: row.scope.clone(),
                what: "a digest that is not 32 bytes".into(),
            })
        };
        let (of_verdict, of_source) = (digest(&row.digest)?, digest(&row.source)?);
        Ok(Self {
            rack: rack(&row.rack)?,
            scope: row.scope,
            name: row.name,
            generation: generation(row.epoch, row.number),
            digest: of_verdict,
            source: of_source,
            verdict: row.verdict,
            cursor: cursor(row.epoch, row.xid, row.seq),
        })
    }
}
