//! The one stream to region: state both ways, facts up, requests down.

use serde::{Deserialize, Serialize};

/// How the link is, for people.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct LinkStatus {
    /// The rack's id.
    pub rack: String,
    pub name: String,
    pub state: LinkState,
    /// RFC 3339: since when it is in this state.
    pub since: String,
    /// Where region was reached, or why not.
    pub detail: String,
    /// The number of the newest lease fact that region has recorded.
    pub recorded_fact: u64,
    /// RFC 3339: when this rack's certificate ends.
    pub certificate_ends: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    Connecting,
    Connected,
    /// It is tried again and again; DHCP goes on meanwhile.
    Unreachable,
    /// Region knows this rack no more, or never did.
    Refused,
}
