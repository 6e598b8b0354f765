//! From what an operator wrote to connections that are ready for use.

use common::{Refusal, Secret};
use diesel::{
    connection::SimpleConnection,
    prelude::*,
    r2d2::{ManageConnection, R2D2Connection},
    result::Error,
    sql_query, sql_types,
};
use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{Conn, OpenError};

/// Which database. Made once from what the operator wrote, so that a PostgreSQL that is away is never taken for the name of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Postgres(Secret<String>),
    Sqlite(PathBuf),
}

impl Target {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(text.to_owned())));
        }
        // The rest of a URL may be a secret.
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        if text.is_empty() || scheme.is_some() {
            return Err(Refusal::new(format!(
                "database {:?} must be a postgres:// URL or the path of a SQLite file",
                scheme.unwrap_or_default()
            )));
        }
        Ok(Self::Sqlite(text.into()))
    }

    pub fn connect(&self) -> Result<Conn, OpenError> {
        let mut conn = match self {
            Self::Postgres(url) => Conn::Postgres(PgConnection::establish(url.expose())?),
            Self::Sqlite(path) => {
                make_private(path)?;
                Conn::Sqlite(SqliteConnection::establish(&path.to_string_lossy())?)
            }
        };
        patiently(|| prepare(&mut conn))?;
        Ok(conn)
    }
}

/// How long another process may hold a SQLite file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two processes that open a new SQLite file at once both change its journal, and for that SQLite waits for nobody, whatever the busy_timeout.
fn patiently(mut work: impl FnMut() -> QueryResult<()>) -> QueryResult<()> {
    let began = Instant::now();
    loop {
        match work() {
            Err(Error::DatabaseError(_, info))
                if info.message().contains("database is locked") && began.elapsed() < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(20));
            }
            outcome => return outcome,
        }
    }
}

/// A file for SQLite that nobody else on the machine may read, unless there is one. SQLite gives its WAL the same mode.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn prepare(conn: &mut Conn) -> QueryResult<()> {
    match conn {
        // A transaction left open holds every watcher back.
        Conn::Postgres(conn) => {
            conn.batch_execute("SET idle_in_transaction_session_timeout = '10s'; SET client_min_messages = warning")
        }
        Conn::Sqlite(conn) => conn.batch_execute(
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
        ),
    }
}

#[derive(QueryableByName)]
struct Collation {
    #[diesel(sql_type = sql_types::Text)]
    collation: String,
}

/// Keys and pages are in the order of bytes on both databases.
pub(super) fn check_collation(conn: &mut Conn) -> Result<(), OpenError> {
    let Conn::Postgres(conn) = conn else { return Ok(()) };
    let query = "SELECT CASE WHEN datlocprovider = 'i' THEN 'ICU' ELSE datcollate END AS collation \
                 FROM pg_database WHERE datname = current_database()";
    let Collation { collation } = sql_query(query).get_result(conn)?;
    let bytewise = ["C", "POSIX", "C.UTF-8", "C.utf8"].contains(&collation.as_str());
    if bytewise { Ok(()) } else { Err(OpenError::Collation { found: collation }) }
}

/// The pool's way to connections.
#[derive(Debug)]
pub(super) struct Manager(pub(super) Target);

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = OpenError;

    fn connect(&self) -> Result<Conn, OpenError> {
        self.0.connect()
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), OpenError> {
        Ok(sql_query("SELECT 1").execute(conn).map(drop)?)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        match conn {
            Conn::Postgres(conn) => thread::panicking() || conn.is_broken(),
            Conn::Sqlite(conn) => thread::panicking() || conn.is_broken(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_may_open_a_new_file_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::Sqlite(folder.path().join("region.db"));
        thread::scope(|scope| {
            let openers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut conn = target.connect().unwrap();
                        crate::db::migrations::run(&mut conn).unwrap();
                    })
                })
                .collect();
            openers.into_iter().for_each(|opener| opener.join().unwrap());
        });
    }

    #[test]
    fn the_file_and_its_wal_are_for_region_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region.db");
        let mut conn = Target::Sqlite(path).connect().unwrap();
        sql_query("CREATE TABLE secrets (hash BLOB)").execute(&mut conn).unwrap();
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 3, "{files:?}");
        for file in files {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file:?}");
        }
    }

    #[test]
    fn a_url_is_never_a_file() {
        let postgres = |url: &str| Target::Postgres(Secret::new(url.to_owned()));
        for (text, expected) in [
            ("postgres://a/b", Some(postgres("postgres://a/b"))),
            ("postgresql://a/b", Some(postgres("postgresql://a/b"))),
            (
                "/var/lib/hostler/region.db",
                Some(Target::Sqlite("/var/lib/hostler/region.db".into())),
            ),
            ("mysql://a/b", None),
            ("", None),
        ] {
            assert_eq!(Target::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let parsed = ["postgres://u:pass@h/d", "mysql://u:pass@h/d"].map(Target::parse);
        assert!(!format!("{parsed:?}").contains("pass"));
    }
}
