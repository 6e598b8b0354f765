//! What the names of boot files mean.

use diesel::prelude::*;
use plan::boot_file::Sha256;
use std::collections::HashSet;

use super::{Conn, DbError, schema::boot_files};

/// All content that has a name.
pub fn contents(conn: &mut Conn) -> Result<HashSet<Sha256>, DbError> {
    let found: Vec<String> = boot_files::table.select(boot_files::sha256).distinct().load(conn)?;
    Ok(found.iter().filter_map(|text| text.parse().ok()).collect())
}

/// Whether this content has a name.
pub fn is_named(conn: &mut Conn, content: Sha256) -> Result<bool, DbError> {
    let query = boot_files::table.filter(boot_files::sha256.eq(content.to_string()));
    let found: Option<String> = query.select(boot_files::key).first(conn).optional()?;
    Ok(found.is_some())
}
