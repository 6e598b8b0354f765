//! A copy of the database, whole and consistent, while region runs.

use diesel::{connection::SimpleConnection, prelude::*};
use std::{
    io,
    path::{Path, PathBuf},
};

use crate::db::make_private;

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(
        "the database is PostgreSQL, which has its own tool: pg_dump --format=custom --file={} {url}", file.display()
    )]
    Postgres { url: String, file: PathBuf },
    #[error("{}: there is no database", path.display())]
    Missing { path: PathBuf },
    #[error("the database cannot be opened")]
    Open(#[from] ConnectionError),
    #[error("{}: cannot be made", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the copy failed")]
    Copy(#[from] diesel::result::Error),
}

/// SQLite only. Copying the files of a database that is in use is no backup: what is in its WAL would be missing.
pub async fn backup(database: &str, file: &Path) -> Result<(), BackupError> {
    let file = file.to_owned();
    if database.contains("://") {
        // Without the password, which does not belong on a terminal.
        let place = database.rsplit_once('@').map_or(database, |(_, place)| place);
        let place = place.rsplit_once("://").map_or(place, |(_, place)| place);
        return Err(BackupError::Postgres { url: format!("postgres://{place}"), file });
    }
    let path = PathBuf::from(database);
    let copied = tokio::task::spawn_blocking(move || {
        if !path.exists() {
            return Err(BackupError::Missing { path });
        }
        let mut conn = SqliteConnection::establish(&path.display().to_string())?;
        conn.batch_execute("PRAGMA busy_timeout = 10000")?;
        // SQLite copies into an empty file, and leaves its mode as it is.
        make_private(&file).map_err(|source| BackupError::File { path: file.clone(), source })?;
        let into = file.display().to_string().replace('\'', "''");
        conn.batch_execute(&format!("VACUUM INTO '{into}'"))?;
        Ok(())
    });
    copied.await.expect("a copy does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    #[tokio::test]
    async fn a_copy_is_whole_for_its_owner_alone_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("region.db"), folder.path().join("copy.db"));
        let open = |path: &Path| SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        open(&from).batch_execute("CREATE TABLE a (b INT); INSERT INTO a VALUES (7)").unwrap();
        backup(from.to_str().unwrap(), &to).await.unwrap();
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        let copied = diesel::sql_query("UPDATE a SET b = 8 WHERE b = 7").execute(&mut open(&to));
        assert_eq!(copied.unwrap(), 1);
        let again = backup(from.to_str().unwrap(), &to).await.unwrap_err();
        assert!(matches!(again, BackupError::Copy(_)), "{again}");
    }
}
