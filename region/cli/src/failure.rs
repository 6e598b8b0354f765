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

/// What goes wrong on this side of the wire; what region says comes as a `Status`.
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
}

impl Failure {
    pub(crate) fn unreachable(server: &Server, error: &dyn Error) -> Self {
        Self::Unreachable { server: server.to_string(), cause: innermost(error) }
    }

    pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
        Self::Usage(text.into()).into()
    }
}

pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Usage(_)) => return Exit::Usage,
        Some(Failure::NoTrust { .. }) => return Exit::Usage,
        Some(
            Failure::Unreachable { .. }
            | Failure::WrongCertificate { .. }
            | Failure::Untrusted { .. },
        ) => return Exit::Unreachable,
        None => {}
    }
    match error.downcast_ref::<Status>() {
        Some(status) if status.code() == Code::Unavailable => Exit::Unreachable,
        _ => Exit::Refused,
    }
}

/// The whole text for standard error.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Status>() {
        Some(status) => explain_status(status),
        None => format!("error: {error:#}\n"),
    }
}

fn explain_status(status: &Status) -> String {
    let details = status.get_error_details();
    let Some(refused) = details.bad_request() else {
        return format!("error: {}\n", status.message());
    };
    let value = |field: &str| {
        let values = &details.error_info()?.metadata;
        values.get(field).filter(|value| !value.is_empty())
    };
    let lines = refused.field_violations.iter().map(|one| match value(&one.field) {
        Some(value) => format!("  {}: {value:?} {}\n", one.field, one.description),
        None => format!("  {}: {}\n", one.field, one.description),
    });
    format!("error: refused, nothing was changed\n{}", lines.collect::<String>())
}

/// The last cause says what happened; those above it only where.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
