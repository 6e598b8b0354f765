//! What machines fetch while they boot, told to whoever follows boots: the boot trace.

use common::{MacAddr, Timestamp};
use metrics::{counter, gauge};
use runtime::clock::Clock;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use uuid::Uuid;

/// A hundred machines that boot at once tell some ten events a second each; this takes several seconds of them. More are dropped and counted, since
/// a transfer must not wait for its own chronicle.
const QUEUE: usize = 4096;
/// How often a transfer tells how far it is.
const EVERY: Duration = Duration::from_secs(1);

/// One step of one transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootEvent {
    /// The same for all steps of a transfer; numbers of a rack are not used again while it runs.
    pub transfer: u64,
    pub at: Timestamp,
    pub protocol: Protocol,
    pub peer: IpAddr,
    /// Whoever knows the leases knows more by `peer`.
    pub told: Told,
    /// As the table names it; what was asked for, where the table has nothing of that name.
    pub path: String,
    pub step: Step,
}

/// What a machine said of itself in a script's URL; nothing elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub mac: Option<MacAddr>,
    /// SMBIOS's.
    pub uuid: Option<Uuid>,
    pub serial: String,
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
    Bytes {
        sent: u64,
    },
    /// All of it has arrived, as far as the protocol tells.
    Done {
        sent: u64,
    },
    /// The client only wanted to know the size, as UEFI firmware does before each TFTP transfer; no fault.
    Probed,
    Failed {
        sent: u64,
        failure: Failure,
    },
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
    clock: Clock,
}

/// The two ends.
pub fn channel(clock: Clock) -> (BootEvents, mpsc::Receiver<BootEvent>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (BootEvents { sender, numbers: Arc::default(), clock }, receiver)
}

/// Who fetches what, and how.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub protocol: Protocol,
    pub peer: IpAddr,
    pub told: Told,
    pub path: String,
}

/// A transfer under way: counts it and tells of it. Dropped before its end it was broken off.
#[derive(Debug)]
pub struct Transfer {
    events: BootEvents,
    fetch: Fetch,
    number: u64,
    sent: u64,
    next: Instant,
    ended: bool,
}

impl BootEvents {
    pub fn begin(&self, fetch: Fetch, size: u64) -> Transfer {
        gauge!("hostler_boot_transfers_open", "protocol" => fetch.protocol.name()).increment(1.0);
        let number = self.tell(&fetch, None, Step::Started { size });
        let next = Instant::now() + EVERY;
        Transfer { events: self.clone(), fetch, number, sent: 0, next, ended: false }
    }

    /// A request that no transfer came of.
    pub fn refuse(&self, fetch: &Fetch, failure: Failure) {
        let step = Step::Failed { sent: 0, failure };
        self.tell(fetch, None, step);
        count(fetch.protocol, step);
    }

    /// Never waits. The number is a new one where none is given.
    fn tell(&self, fetch: &Fetch, number: Option<u64>, step: Step) -> u64 {
        let transfer = number.unwrap_or_else(|| self.numbers.fetch_add(1, Ordering::Relaxed));
        let Fetch { protocol, peer, told, path } = fetch.clone();
        let event = BootEvent { transfer, at: self.clock.now(), protocol, peer, told, path, step };
        if self.sender.try_send(event).is_err() {
            counter!("hostler_boot_events_dropped_total").increment(1);
        }
        transfer
    }
}

impl Transfer {
    /// Of all bytes, how many were sent so far.
    pub fn progress(&mut self, sent: u64, now: Instant) {
        self.sent = sent;
        if now >= self.next {
            self.next = now + EVERY;
            self.events.tell(&self.fetch, Some(self.number), Step::Bytes { sent });
        }
    }

    pub fn done(mut self, sent: u64) {
        self.sent = sent;
        self.end(Step::Done { sent });
    }

    pub fn probed(mut self) {
        self.end(Step::Probed);
    }

    pub fn failed(mut self, sent: u64, failure: Failure) {
        self.sent = sent;
        self.end(Step::Failed { sent, failure });
    }

    fn end(&mut self, step: Step) {
        self.ended = true;
        let protocol = self.fetch.protocol;
        gauge!("hostler_boot_transfers_open", "protocol" => protocol.name()).decrement(1.0);
        counter!("hostler_boot_sent_bytes_total", "protocol" => protocol.name())
            .increment(self.sent);
        count(protocol, step);
        self.events.tell(&self.fetch, Some(self.number), step);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Step::Failed { sent: self.sent, failure: Failure::Aborted });
        }
    }
}

fn count(protocol: Protocol, step: Step) {
    let outcome = match step {
        Step::Started { .. } | Step::Bytes { .. } => return,
        Step::Done { .. } => "done",
        Step::Probed => "probed",
        Step::Failed { failure, .. } => failure.name(),
    };
    let protocol = protocol.name();
    counter!("hostler_boot_transfers_total", "protocol" => protocol, "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_tells_of_its_beginning_and_of_its_one_end() {
        type End = fn(Transfer);
        let table: [(End, Step); 4] = [
            (|transfer| transfer.done(7), Step::Done { sent: 7 }),
            (Transfer::probed, Step::Probed),
            (
                |transfer| transfer.failed(3, Failure::TimedOut),
                Step::Failed { sent: 3, failure: Failure::TimedOut },
            ),
            (drop, Step::Failed { sent: 0, failure: Failure::Aborted }),
        ];
        let (events, mut told) = channel(Clock::system());
        for (end, expected) in table {
            let fetch = Fetch {
                protocol: Protocol::Tftp,
                peer: [10, 0, 0, 9].into(),
                told: Told::default(),
                path: "a".into(),
            };
            end(events.begin(fetch, 7));
            let (first, last) = (told.try_recv().unwrap(), told.try_recv().unwrap());
            assert_eq!((first.step, last.step), (Step::Started { size: 7 }, expected));
            assert_eq!(first.transfer, last.transfer);
            assert!(told.try_recv().is_err());
        }
    }
}
