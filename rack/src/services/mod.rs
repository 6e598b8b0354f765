//! What a rack does for the machines beside it.

pub mod dhcp;
