//! Requests that are not served.

use std::io;

use super::packet::ErrorCode;
use crate::services::{boot_events::Failure, boot_files::PathError};

/// Why a request is not served, in the words that the client shows.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("netascii would change the file; ask in octet mode")]
    Netascii,
    #[error("the only mode served is octet")]
    Mode,
    #[error("this server is read only")]
    Write,
    #[error("no such file")]
    NotFound,
    #[error("the file has not come from region yet; try again")]
    NotFetched,
    #[error("too many transfers are open; try again")]
    Busy,
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the rack cannot open a transfer")]
    Local(#[from] io::Error),
}

impl Refusal {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Netascii | Self::Mode => ErrorCode::IllegalOperation,
            Self::Write | Self::Path(_) => ErrorCode::AccessViolation,
            Self::NotFound => ErrorCode::NotFound,
            Self::NotFetched | Self::Busy | Self::Local(_) => ErrorCode::NotDefined,
        }
    }

    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Netascii | Self::Mode | Self::Write | Self::Path(_) => Failure::Refused,
            Self::NotFound => Failure::NotFound,
            Self::NotFetched => Failure::NotFetched,
            Self::Busy => Failure::Busy,
            Self::Local(_) => Failure::Local,
        }
    }
}
