use common::{Id, Objection, rack_config::boot::BootPath};
use plan::{BootFile, BootProfile, boot_profile, loader::Files};

use super::{Rules, resource};
use crate::db::{
    Conn, DbError,
    condition::Condition,
    names::{self, Names},
    stored::{Query, Stored},
};

resource!("boot-profile", BootProfile in boot_profiles { name, target, script, kernel, initrds, command_line, loaders, note });

impl Rules for BootProfile {
    const KEY_FIELD: &str = "name";

    fn key(&self, _: &Names) -> String {
        self.name.to_string()
    }

    fn judge(&self, _: Id<Self>, conn: &mut Conn) -> Result<Vec<Objection>, DbError> {
        Ok(boot_profile::judge(self, &held(conn, &self.paths())?))
    }
}

/// Which of these are boot files.
pub(super) fn those_there(conn: &mut Conn, paths: &Files) -> Result<Files, DbError> {
    Ok(saved(conn, paths)?.into_iter().map(|(path, _)| path).collect())
}

/// The same, and none of them goes before the transaction ends: a path is no reference that its deletion would see.
pub(super) fn held(conn: &mut Conn, paths: &Files) -> Result<Files, DbError> {
    let found = saved(conn, paths)?;
    names::lock(conn, found.iter().map(|(_, id)| (BootFile::TABLE, id.uuid())).collect())?;
    Ok(found.into_iter().map(|(path, _)| path).collect())
}

fn saved(conn: &mut Conn, paths: &Files) -> Result<Vec<(BootPath, Id<BootFile>)>, DbError> {
    let values = paths.iter().map(|path| path.to_string().into()).collect();
    let found = BootFile::load(conn, Query::all(vec![Condition::In { column: "path", values }]))?;
    Ok(found.into_iter().map(|saved| (saved.value.path, saved.id)).collect())
}
