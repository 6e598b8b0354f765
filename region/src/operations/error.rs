use common::Objection;
use plan::Role;

use crate::{
    db::{Clash, DbError},
    dispatch::AskError,
    events::{Cursor, FollowError},
};

#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    #[error("{}", one_line(.0))]
    Refused(Vec<Objection>),
    #[error("there is no {noun} {id:?}")]
    NotFound { noun: &'static str, id: String },
    #[error("{noun} {key} is at revision {actual}, not {expected}; read it again")]
    Stale { noun: &'static str, key: String, expected: i64, actual: i64 },
    #[error("{noun} {key} is still named by {users}")]
    InUse { noun: &'static str, key: String, users: String },
    #[error("request id {request_id:?} was used for another request")]
    RequestIdTaken { request_id: String },
    #[error("{actor} may not {action}; that needs the role {needed}")]
    Denied { actor: String, action: String, needed: Role },
    #[error("nobody can {action}")]
    NoSuchVerb { action: String },
    #[error("the log no longer reaches back to this cursor; it begins at {floor}")]
    Compacted { floor: Cursor },
    #[error("nothing was changed")]
    RolledBack,
    #[error("region is ending; ask again")]
    Closing,
    #[error("the rack refuses, for {key}: {why}")]
    RackRefused { key: String, why: String },
    #[error(transparent)]
    Unanswered(#[from] AskError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Clash for OperationError {
    fn is_clash(&self) -> bool {
        matches!(self, Self::Db(error) if error.is_clash())
    }
}

impl From<FollowError> for OperationError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Compacted { floor } => Self::Compacted { floor },
            FollowError::Closed => Self::Closing,
            FollowError::Db(error) => Self::Db(error),
        }
    }
}

fn one_line(objections: &[Objection]) -> String {
    objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
