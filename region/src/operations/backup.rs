//! A copy of the database, whole and consistent, while region runs.

use diesel::{connection::SimpleConnection, prelude::*};
use std::path::{Path, PathBuf};

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
        let into = file.display().to_string().replace('\'', "''");
        conn.batch_execute(&format!("VACUUM INTO '{into}'"))?;
        Ok(())
    });
    copied.await.expect("a copy does not panic")
}
