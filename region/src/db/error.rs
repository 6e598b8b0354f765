//! What can go wrong with a database, and what is worth another attempt.

use diesel::result::{DatabaseErrorKind, Error};

#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database is away: {0}")]
    Away(String),
    #[error("the database stayed busy; nothing was changed")]
    Busy,
    /// Each attempt met another transaction, or its own earlier work; this is what the last one met.
    #[error("the database stayed busy; nothing was changed: {0}")]
    Clashed(String),
    #[error("row {table} {id}: {what}")]
    Corrupt { table: &'static str, id: String, what: String },
    /// Another transaction deleted what this one wanted to hold still.
    #[error("a row of {table} went away meanwhile")]
    Vanished { table: &'static str },
    #[error(transparent)]
    Query(Error),
}

/// Why a database cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[from] diesel::ConnectionError),
    #[error("the database cannot be set up: {0}")]
    SetUp(#[from] Error),
    #[error(transparent)]
    Use(#[from] DbError),
    #[error("the schema cannot be brought up to date: {0}")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no connection became ready: {0}")]
    Pool(#[from] diesel::r2d2::PoolError),
    #[error(
        "the database sorts text by {found}; keys sort as bytes: create it with LC_COLLATE 'C'"
    )]
    Collation { found: String },
    #[error("{}", .0.0)]
    Url(common::Refusal),
    #[error("no encrypted connection to the database: {0}")]
    Tls(#[from] super::tunnel::TunnelError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<Error> for DbError {
    fn from(error: Error) -> Self {
        if let Error::DatabaseError(kind, info) = &error {
            let closed = matches!(kind, DatabaseErrorKind::ClosedConnection);
            if closed || is_gone(info.message()) {
                return Self::Away(info.message().to_owned());
            }
        }
        if matches!(error, Error::BrokenTransactionManager) {
            return Self::Away("the connection broke".into());
        }
        Self::Query(error)
    }
}

/// libpq has no code for a connection that ends, only words.
fn is_gone(message: &str) -> bool {
    const WORDS: [&str; 6] = [
        "server closed the connection",
        "terminating connection",
        "no connection to the server",
        "connection to server",
        "could not receive data from server",
        "could not send data to server",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

/// An error that a second attempt may not meet.
pub trait Clash: From<DbError> + std::error::Error + Send + 'static {
    fn is_clash(&self) -> bool;
}

impl Clash for DbError {
    fn is_clash(&self) -> bool {
        match self {
            Self::Vanished { .. } => true,
            // Of two that make the same key, the second attempt finds the first one's row and can say so.
            Self::Query(Error::DatabaseError(kind, info)) => {
                matches!(
                    kind,
                    DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation
                ) || info.message().contains("deadlock detected")
                    || info.message().contains("database is locked")
            }
            Self::Query(_)
            | Self::Away(_)
            | Self::Busy
            | Self::Clashed(_)
            | Self::Corrupt { .. } => false,
        }
    }
}
