use plan::{BootDefault, BootFile, BootProfile};

use super::{Namer, Resource, Rules, resource};
use crate::db::{Conn, DbError, names::Names, stored::Query};

resource!("boot-file", BootFile in boot_files { path, size, sha256, note });

impl Rules for BootFile {
    const KEY_FIELD: &str = "path";

    fn key(&self, _: &Names) -> String {
        self.path.to_string()
    }

    /// By its path.
    fn named_by(&self, conn: &mut Conn) -> Result<Vec<Namer>, DbError> {
        let mut users = those_naming(conn, |own: &BootDefault| own.names(&self.path))?;
        users.extend(those_naming(conn, |own: &BootProfile| own.names(&self.path))?);
        Ok(users)
    }
}

fn those_naming<R: Resource>(
    conn: &mut Conn,
    names: impl Fn(&R) -> bool,
) -> Result<Vec<Namer>, DbError> {
    let all = R::load(conn, Query::all(Vec::new()))?.into_iter();
    let those = all.filter(|saved| names(&saved.value));
    Ok(those.map(|saved| Namer { noun: R::NOUN, key: saved.key }).collect())
}
