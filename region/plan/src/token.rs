use common::{Name, Refusal, Timestamp};
use std::{fmt, str::FromStr};

use crate::{Credential, Span};

/// An operator's right to use the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    pub name: Name,
    pub role: Role,
    pub expires_in: Option<Span>,
    pub note: String,
    /// None: never.
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    pub secret: Credential,
}

/// What somebody may do; each may also what those before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    #[default]
    Viewer,
    Operator,
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        })
    }
}

/// Empty is what a client sends that has no opinion: the least.
impl FromStr for Role {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text {
            "viewer" | "" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(Refusal::new("must be viewer, operator or admin")),
        }
    }
}

/// One machine's right to join as a rack, once.
#[derive(Clone, Debug, PartialEq)]
pub struct RackToken {
    /// None: the machine's own host name.
    pub name: Option<Name>,
    pub expires_in: Option<Span>,
    pub note: String,
    pub expires_at: Option<Timestamp>,
    pub used_at: Option<Timestamp>,
    pub used_by: String,
    pub secret: Credential,
}

impl RackToken {
    /// Long enough to carry it to the machine, short enough to forget it.
    pub const LIFE: Span = Span::from_hours(24);

    /// Why nobody can join with this now.
    pub fn unusable(&self, now: Timestamp) -> Option<&'static str> {
        if self.used_at.is_some() {
            return Some("was used before");
        }
        self.expires_at.is_some_and(|end| end <= now).then_some("has expired")
    }
}
