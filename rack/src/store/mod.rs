//! What survives a restart.

pub mod leases;
