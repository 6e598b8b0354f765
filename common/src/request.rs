//! What region asks of a rack. Each has a deadline, is answered or times out, and is never replayed after a reconnect.

use std::net::IpAddr;

use crate::VlanId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// End a lease as if its client had released it.
    ReleaseLease { vlan: VlanId, address: IpAddr },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    /// It cannot be done, and why.
    Refused(String),
}
