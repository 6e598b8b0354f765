//! How a command ends: what a shell sees, and what a person reads.

use runtime::tls::Fingerprint;
use std::{error::Error, process::ExitCode};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::profile::Server;

/// The exit codes; `HELP` is what the command's help says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Refused = 1,
    SomethingToDo = 2,
    Unreachable = 3,
    RackRefused = 4,
    RackBehind = 5,
    Usage = 64,
}

pub(crate) const HELP: &str = "\
Exit codes:
   0  done
   1  refused, or failed: nothing was changed unless the message says otherwise
   2  plan: there is something to do
   3  region cannot be reached, or is not the one that was trusted
   4  --wait: a rack refused the change; it goes on with its last good configuration
   5  --wait: a rack is unreachable, or the time was up
  64  the command line itself is wrong";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(
        "no region answers at {server} ({cause})\n  Is it running, and is that its address? --server or HOSTLER_SERVER says where."
    )]
    Unreachable { server: String, cause: String },
    #[error(
        "nothing says how to know the region at {server}\n  Log in with: hostler login {server}\n  or give its authority in HOSTLER_CA, or its fingerprint in HOSTLER_FINGERPRINT."
    )]
    NoTrust { server: String },
    #[error(
        "{server} is not the region that was trusted, so nothing was said to it\n  expected fingerprint  {expected}\n  shown fingerprint     {shown}\n  If the region was set up anew, log in again: hostler login {server}\n  If not, somebody else may be answering in its place."
    )]
    WrongCertificate { server: String, expected: Fingerprint, shown: Fingerprint },
    #[error(
        "{server} cannot be trusted ({cause})\n  Is that the name in its certificate, and is it signed by the authority that was given?"
    )]
    Untrusted { server: String, cause: String },
    /// What region answered.
    #[error("{}", explain(server, status, request_id.as_deref()))]
    Region { server: String, status: Box<Status>, request_id: Option<String> },
}

impl Failure {
    pub(crate) fn unreachable(server: &Server, error: &(dyn Error + 'static)) -> Self {
        Self::Unreachable { server: server.to_string(), cause: innermost(error) }
    }

    pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
        Self::Usage(text.into()).into()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::NoTrust { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::WrongCertificate { .. } | Self::Untrusted { .. } => {
                Exit::Unreachable
            }
            Self::Region { status, .. } if is_lost(status) => Exit::Unreachable,
            Self::Region { .. } => Exit::Refused,
        }
    }
}

pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Failure>().map_or(Exit::Refused, Failure::exit)
}

/// What region answered, if it was region that did.
pub(crate) fn status_of(error: &anyhow::Error) -> Option<&Status> {
    match error.downcast_ref::<Failure>()? {
        Failure::Region { status, .. } => Some(status),
        Failure::Usage(_)
        | Failure::Unreachable { .. }
        | Failure::NoTrust { .. }
        | Failure::WrongCertificate { .. }
        | Failure::Untrusted { .. } => None,
    }
}

/// Whether it was the connection that ended, or region itself; what was asked may be asked again.
pub(crate) fn is_lost(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        // Region does not use these; they are what a broken connection is told as.
        Code::Unknown | Code::Cancelled => true,
        Code::Internal => status.source().is_some(),
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

/// The case that region names for programs.
pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

fn explain(server: &str, status: &Status, request_id: Option<&str>) -> String {
    if let Some(refusal) = refusal(status, request_id.is_some()) {
        return refusal;
    }
    let mut text = status.message().to_owned();
    match (status.code(), reason(status).as_str()) {
        (Code::Unauthenticated, _) => text += &format!("\n  Log in with: hostler login {server}"),
        (Code::PermissionDenied, _) => {
            text += "\n  An admin makes a token with that role: hostler token create --name WHO --role ROLE";
        }
        (Code::OutOfRange, "COMPACTED") => {
            text = format!(
                "compacted: {text}\n  What happened in between cannot be told any more. Watch without --cursor to begin with what there is now."
            );
        }
        (Code::Unimplemented, _) => {
            text = format!("{server} does not know this; it may be older than this hostler");
        }
        (Code::Unavailable, "DATABASE_AWAY" | "BUSY") => {
            text += "\n  The racks go on serving what they have. Try again in a moment.";
        }
        _ if is_lost(status) => {
            text = format!("the connection to {server} was lost ({})", cause(status));
            if let Some(id) = request_id {
                text += &format!(
                    "\n  It is not known whether this was done. Say it again with --request-id {id}: it is done once, however often it is said."
                );
            }
        }
        _ => {}
    }
    text
}

/// Every field that was refused, with its value and the rule.
fn refusal(status: &Status, writing: bool) -> Option<String> {
    let details = status.get_error_details();
    let refused = details.bad_request()?;
    let value = |field: &str| {
        let values = &details.error_info()?.metadata;
        values.get(field).filter(|value| !value.is_empty())
    };
    let lines = refused.field_violations.iter().map(|one| match value(&one.field) {
        Some(value) => format!("\n  {}: {value:?} {}", one.field, one.description),
        None => format!("\n  {}: {}", one.field, one.description),
    });
    let head = if writing { "refused, nothing was changed" } else { "refused" };
    Some(format!("{head}{}", lines.collect::<String>()))
}

/// Why a connection was lost.
pub(crate) fn cause(status: &Status) -> String {
    status.source().map_or_else(|| status.message().to_owned(), innermost)
}

/// The last cause says what happened; those above it only where.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
