//! Where the facts of each class wait for region.

use common::report::FactClass;
use prost::Message;
use proto::{convert::rack_link::class_from_wire, v1};
use tokio::sync::watch;

use crate::store::{
    facts::{FactError, FactLog},
    leases::{self, LeaseOutbox, Outgoing, SnapshotPages},
};

/// The facts of one class.
#[derive(Clone, Debug)]
pub enum Outbox {
    Leases(LeaseOutbox),
    Boots(FactLog),
}

#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("the lease log")]
    Leases(#[from] leases::OutboxError),
    #[error("the log of boots")]
    Boots(#[from] FactError),
}

/// What comes after a fact.
pub(super) enum Next {
    /// None: no facts, and still nothing is missing up to this number.
    Facts {
        batch: Option<v1::FactBatch>,
        upto: u64,
    },
    Collapsed(SnapshotPages),
}

impl Outbox {
    pub fn class(&self) -> FactClass {
        match self {
            Self::Leases(_) => FactClass::Lease,
            Self::Boots(_) => FactClass::Boot,
        }
    }

    pub(super) fn is_of(&self, wire: v1::FactClass) -> bool {
        class_from_wire(wire) == Some(self.class())
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Leases(_) => "lease",
            Self::Boots(_) => "boot",
        }
    }

    /// The number of the newest fact that is on the disk.
    pub fn newest(&self) -> watch::Receiver<u64> {
        match self {
            Self::Leases(outbox) => outbox.newest(),
            Self::Boots(log) => log.newest(),
        }
    }

    /// Region has everything up to this number.
    pub(super) async fn recorded(&self, upto: u64) -> Result<(), OutboxError> {
        match self {
            Self::Leases(outbox) => outbox.recorded(upto),
            Self::Boots(log) => log.recorded(upto).await?,
        }
        Ok(())
    }

    pub(super) async fn read(&self, after: u64, limit: usize) -> Result<Next, OutboxError> {
        let class = v1::FactClass::from(self.class()).into();
        let empty = v1::FactBatch { class, ..Default::default() };
        match self {
            Self::Leases(outbox) => Ok(match outbox.read(after, limit).await? {
                Outgoing::Facts { facts, upto } => {
                    let leases: Vec<_> = facts.iter().map(Into::into).collect();
                    let some = !leases.is_empty();
                    let batch = some.then_some(v1::FactBatch { leases, ..empty });
                    Next::Facts { batch, upto }
                }
                Outgoing::Collapsed(pages) => Next::Collapsed(pages),
            }),
            Self::Boots(log) => {
                let newest = *log.newest().borrow();
                let facts = log.read(after, limit).await?;
                let upto = match facts.last() {
                    Some((last, _)) if facts.len() == limit => *last,
                    // What is missing between was dropped to make room.
                    _ => facts.last().map_or(newest, |(last, _)| newest.max(*last)),
                };
                let boot = |(number, fact): (u64, Vec<u8>)| {
                    let fact = v1::BootFact::decode(&fact[..]).ok()?;
                    Some(v1::BootFact { number, ..fact })
                };
                let boots: Vec<_> = facts.into_iter().filter_map(boot).collect();
                let some = !boots.is_empty();
                Ok(Next::Facts { batch: some.then_some(v1::FactBatch { boots, ..empty }), upto })
            }
        }
    }
}
