//! Leases of one VLAN: what they may become, where they are kept, which address is given, how they stand in the lease log.

pub(crate) mod allocate;
mod expiry;
mod free;
mod pool;
pub mod record;
mod slab;
pub mod state;
pub(crate) mod table;

pub use allocate::Why;
pub(crate) use pool::Pool;
pub(crate) use slab::{Client, Lease, Slot};
