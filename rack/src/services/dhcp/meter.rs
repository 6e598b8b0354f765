//! Figures of the packet path: plain counters where packets are, read from time to time for metrics and status.

use common::VlanId;
use engine::dhcp::{Answer, Counters, Dropped, Kind, Utilisation};
use metrics::{Histogram, counter, gauge, histogram};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::shed::Shed;
use crate::store::leases::LeaseOutbox;

pub(super) struct Meter {
    decided: Mutex<Decided>,
    refused: AtomicU64,
    commits: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    commit_seconds: Histogram,
}

/// What the deciding thread has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Decided {
    pub(super) counters: Counters,
    pub(super) shed: Shed,
    pub(super) received: Received,
    pub(super) utilisation: Vec<(VlanId, Utilisation)>,
}

/// What the engine does not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// Larger than any that is served.
    pub(super) truncated: u64,
    /// Dropped by the kernel, its buffer being full.
    pub(super) overflows: u64,
    pub(super) errors: u64,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            decided: Mutex::default(),
            refused: AtomicU64::default(),
            commits: AtomicU64::default(),
            records: AtomicU64::default(),
            bytes: AtomicU64::default(),
            commit_seconds: histogram!("hostler_lease_log_commit_seconds"),
        }
    }

    /// Answers that did not leave.
    pub(super) fn count_refused(&self, replies: usize) {
        if replies > 0 {
            self.refused.fetch_add(replies as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn count_commit(&self, took: Duration, records: u32, bytes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records.into(), Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.commit_seconds.record(took);
    }

    pub(super) fn decided(&self) -> MutexGuard<'_, Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the process's metrics up to date.
    pub(super) fn publish(&self, names: &BTreeMap<VlanId, String>, outbox: &LeaseOutbox) {
        let decided = self.decided().clone();
        let Decided { counters, shed, received, utilisation } = decided;
        for kind in Kind::ALL {
            counter!("hostler_dhcp_received_total", "type" => kind.name())
                .absolute(counters.received(kind));
        }
        for answer in Answer::ALL {
            counter!("hostler_dhcp_answered_total", "type" => answer.name())
                .absolute(counters.answered(answer));
        }
        let dropped = Dropped::ALL.map(|reason| (reason.name(), counters.dropped(reason)));
        let shell = [
            ("shed-discover", shed.discovers),
            ("shed-other", shed.others),
            ("too-large", received.truncated),
            ("kernel-buffer-full", received.overflows),
            ("receive-error", received.errors),
            ("not-sent", self.refused.load(Ordering::Relaxed)),
        ];
        for (reason, count) in dropped.into_iter().chain(shell) {
            counter!("hostler_dhcp_dropped_total", "reason" => reason).absolute(count);
        }
        counter!("hostler_dhcp_declined_total").absolute(counters.declined);
        counter!("hostler_dhcp_expired_total").absolute(counters.expired);
        for (vlan, utilisation) in utilisation {
            let name = names.get(&vlan).cloned().unwrap_or_else(|| vlan.to_string());
            let addresses = [
                ("free", utilisation.free),
                ("offered", utilisation.offered),
                ("bound", utilisation.bound),
                ("declined", utilisation.declined),
            ];
            for (state, count) in addresses {
                gauge!("hostler_dhcp_addresses", "vlan" => name.clone(), "state" => state)
                    .set(f64::from(count));
            }
        }
        counter!("hostler_lease_log_commits_total").absolute(self.commits.load(Ordering::Relaxed));
        counter!("hostler_lease_log_records_total").absolute(self.records.load(Ordering::Relaxed));
        counter!("hostler_lease_log_bytes_total").absolute(self.bytes.load(Ordering::Relaxed));
        gauge!("hostler_lease_outbox_lag").set(outbox.lag() as f64);
    }
}
