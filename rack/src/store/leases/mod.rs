//! The durable lease log of all VLANs, which is also the outbox of lease facts.

mod outbox;

pub use outbox::{LeaseOutbox, OutboxError, Outgoing, SnapshotPage, SnapshotPages};
