//! Lease facts, read back from the log for region.

use common::report::LeaseChanged;
use std::{path::PathBuf, sync::Arc};
use tokio::sync::watch;

/// What region has not yet recorded; a clone is the same outbox.
#[derive(Clone, Debug, Default)]
pub struct LeaseOutbox {
    newest: Arc<watch::Sender<u64>>,
}

/// What comes after a fact.
#[derive(Debug)]
pub enum Outgoing {
    /// In order of their numbers; none when there is nothing newer.
    Facts(Vec<LeaseChanged>),
    /// The log no longer has all that came after: the leases as they are now, in place of what happened to them.
    Collapsed(SnapshotPages),
}

/// All leases at one moment.
#[derive(Debug, Default)]
pub struct SnapshotPages {
    left: Vec<LeaseChanged>,
    upto: u64,
    begun: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub struct SnapshotPage {
    pub leases: Vec<LeaseChanged>,
    pub first: bool,
    pub last: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}

impl LeaseOutbox {
    /// The number of the newest fact that is on the disk.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Up to `limit` facts that come after the one with number `after`.
    pub async fn read(&self, _after: u64, _limit: usize) -> Result<Outgoing, OutboxError> {
        std::future::ready(()).await;
        Ok(Outgoing::Facts(Vec::new()))
    }

    /// Region has everything up to this number; the log may forget it.
    pub fn recorded(&self, _upto: u64) {}
}

impl SnapshotPages {
    /// When the last page is recorded, everything up to this number is.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// The next leases, at most `limit`; none after the last page.
    pub fn next_page(&mut self, limit: usize) -> Option<SnapshotPage> {
        let first = !std::mem::replace(&mut self.begun, true);
        if self.left.is_empty() && !first {
            return None;
        }
        let rest = self.left.split_off(limit.min(self.left.len()));
        let leases = std::mem::replace(&mut self.left, rest);
        Some(SnapshotPage { leases, first, last: self.left.is_empty() })
    }
}
