//! What machines fetch while they boot, told to whoever follows boots: the boot trace.

use common::{MacAddr, Timestamp};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;

/// A hundred machines that boot at once tell some ten events a second each; this takes several seconds of them. More are dropped and counted, since
/// a transfer must not wait for its own chronicle.
const QUEUE: usize = 4096;

/// One step of one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEvent {
    /// The same for all steps of a transfer; numbers of a rack are not used again while it runs.
    pub transfer: u64,
    pub at: Timestamp,
    pub protocol: Protocol,
    pub peer: IpAddr,
    /// As the machine itself said it, in a script's URL. Whoever knows the leases knows more by `peer`.
    pub mac: Option<MacAddr>,
    /// As the table names it; what was asked for, where the table has nothing of that name.
    pub path: String,
    pub step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    Tftp,
    Http,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tftp => "tftp",
            Self::Http => "http",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Started {
        /// Of what is to be transferred: for a range less than the file.
        size: u64,
    },
    /// About once a second.
    Bytes { sent: u64 },
    /// All of it has arrived, as far as the protocol tells.
    Done { sent: u64 },
    /// The client only wanted to know the size, as UEFI firmware does before each TFTP transfer; no fault.
    Probed,
    Failed { sent: u64, failure: Failure },
}

/// Why a transfer did not end well, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// The table has no such file.
    NotFound,
    /// The file is named by the configuration, and has not come from region yet.
    NotFetched,
    /// A request that is not served: a write, netascii, a path that leads out of the table, a method.
    Refused,
    /// This client, or all of them, have too many open.
    Busy,
    /// The client fell silent.
    TimedOut,
    /// The client broke off.
    Aborted,
    /// The rack could not read the file, or not send.
    Local,
}

impl Failure {
    pub const ALL: [Self; 7] = [
        Self::NotFound,
        Self::NotFetched,
        Self::Refused,
        Self::Busy,
        Self::TimedOut,
        Self::Aborted,
        Self::Local,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotFetched => "not-fetched",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::TimedOut => "timed-out",
            Self::Aborted => "aborted",
            Self::Local => "local",
        }
    }
}

/// Where servers tell. A clone tells the same listener.
#[derive(Clone, Debug)]
pub struct BootEvents {
    sender: mpsc::Sender<BootEvent>,
    numbers: Arc<AtomicU64>,
}

/// The two ends.
pub fn channel() -> (BootEvents, mpsc::Receiver<BootEvent>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (BootEvents { sender, numbers: Arc::default() }, receiver)
}

impl BootEvents {
    /// For a new transfer.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Never waits.
    pub fn tell(&self, event: BootEvent) {
        if self.sender.try_send(event).is_err() {
            metrics::counter!("hostler_boot_events_dropped_total").increment(1);
        }
    }
}
