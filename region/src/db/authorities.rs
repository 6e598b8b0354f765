//! Certificate authorities, keys sealed.

use diesel::{prelude::*, sql_query, sql_types};

use super::{Conn, DbError};

#[derive(Clone, Debug, QueryableByName)]
pub struct AuthorityRow {
    #[diesel(sql_type = sql_types::Binary)]
    pub certificate: Vec<u8>,
    #[diesel(sql_type = sql_types::Binary)]
    pub sealed_key: Vec<u8>,
    /// Which key sealed it.
    #[diesel(sql_type = sql_types::Text)]
    pub sealed_by: String,
    #[diesel(sql_type = sql_types::BigInt)]
    pub made_at: i64,
}

pub fn load(conn: &mut Conn, purpose: &str) -> Result<Option<AuthorityRow>, DbError> {
    let query = sql_query(
        "SELECT certificate, sealed_key, sealed_by, made_at FROM authorities WHERE purpose = $1",
    );
    Ok(query.bind::<sql_types::Text, _>(purpose).get_result(conn).optional()?)
}

/// Which key everything sealed here was sealed with; None while nothing is.
pub fn sealed_by(conn: &mut Conn) -> Result<Option<String>, DbError> {
    let query = sql_query(
        "SELECT certificate, sealed_key, sealed_by, made_at FROM authorities ORDER BY made_at LIMIT 1",
    );
    let found: Option<AuthorityRow> = query.get_result(conn).optional()?;
    Ok(found.map(|row| row.sealed_by))
}

/// The first of two regions that start at once wins; `load` says what it is then.
pub fn insert_if_new(conn: &mut Conn, purpose: &str, row: &AuthorityRow) -> Result<(), DbError> {
    let insert = "INSERT INTO authorities (purpose, certificate, sealed_key, sealed_by, made_at) \
                  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (purpose) DO NOTHING";
    sql_query(insert)
        .bind::<sql_types::Text, _>(purpose)
        .bind::<sql_types::Binary, _>(&row.certificate)
        .bind::<sql_types::Binary, _>(&row.sealed_key)
        .bind::<sql_types::Text, _>(&row.sealed_by)
        .bind::<sql_types::BigInt, _>(row.made_at)
        .execute(conn)?;
    Ok(())
}
