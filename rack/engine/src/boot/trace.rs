//! How far each machine came that booted: one attempt from its firmware's first packet to its system's.
//!
//! What is told here is of strangers, and may be lost on its way. So attempts are bounded in number and size, a step that was missed is passed over, and one
//! that was thought to have stalled goes on when it is heard of again.

mod attempt;
mod files;
mod stall;

use std::{collections::BTreeMap, mem, net::Ipv4Addr};

use common::{
    MacAddr, Timestamp, VlanId,
    rack_config::BootConfig,
    report::{BootAttempt, BootOutcome},
};
use uuid::Uuid;

use super::BootClient;
use attempt::{Attempt, Change};

/// A DHCP packet of a machine that boots, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub vlan: VlanId,
    pub mac: MacAddr,
    pub seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A DISCOVER, or the request to a boot server.
    Asked {
        client: BootClient,
        /// Option 93.
        code: Option<u16>,
        /// Option 97.
        uuid: Option<Uuid>,
        answer: Answered,
    },
    /// It has taken this address.
    Bound { address: Ipv4Addr },
    /// Its own system asks for an address.
    System,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The file that it was told of.
    Loader(Box<str>),
    /// There is none for its architecture.
    NoLoader,
    /// Its architecture is switched off in its subnet.
    Disabled,
    /// No address was left.
    NoAddress,
}

/// A step of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Fetch<'a> {
    /// The same for all steps of one.
    pub transfer: u64,
    pub peer: Ipv4Addr,
    /// What a loader said of itself when it asked for its script.
    pub told: Identity<'a>,
    /// In the table of boot files; `script`, where that is made for it.
    pub path: &'a str,
    pub step: FetchStep<'a>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    pub mac: Option<MacAddr>,
    pub uuid: Option<Uuid>,
    pub serial: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchStep<'a> {
    Started,
    /// It only asked how long the file is.
    Probed,
    Bytes(u64),
    Done(u64),
    /// So many bytes, and why not more.
    Failed(u64, &'a str),
}

/// What has become of attempts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub started: u64,
    pub finished: u64,
    pub stalled: u64,
    /// Given up to make room for others.
    pub forgotten: u64,
}

/// Machines that boot at once, and have booted lately. A rack has some hundreds; more is somebody who makes MAC addresses up.
const ATTEMPTS: usize = 4096;
/// Transfers that are under way.
const TRANSFERS: usize = 8192;
/// How long an attempt that is over is remembered, so that what comes late belongs to it.
const REMEMBERED: i64 = 600_000_000;

type Key = (VlanId, MacAddr);

#[derive(Debug, Default)]
pub struct Trace {
    /// Tells this rack's attempts from those of its former lives.
    session: u64,
    count: u64,
    attempts: BTreeMap<Key, Attempt>,
    by_address: BTreeMap<Ipv4Addr, Key>,
    transfers: BTreeMap<u64, Key>,
    changed: Vec<BootAttempt>,
    tally: Tally,
}

impl Trace {
    /// `session` is random.
    pub fn new(session: u64) -> Self {
        Self { session, ..Self::default() }
    }

    pub fn handle_sighting(
        &mut self,
        sighting: &Sighting,
        config: Option<&BootConfig>,
        now: Timestamp,
    ) {
        let key = (sighting.vlan, sighting.mac);
        if let Seen::Asked { client, .. } = sighting.seen {
            let goes_on =
                self.attempts.get(&key).is_some_and(|known| known.goes_on_with(client, now));
            if !goes_on {
                self.begin(key, client, config, now);
            }
        }
        if let Seen::Bound { address } = sighting.seen
            && let Some(attempt) = self.attempts.get_mut(&key)
        {
            if let Some(old) = attempt.address.replace(address) {
                self.by_address.remove(&old);
            }
            self.by_address.insert(address, key);
        }
        self.change(key, now, |attempt| attempt.see(&sighting.seen, config, now));
    }

    pub fn handle_fetch(&mut self, fetch: &Fetch<'_>, config: Option<&BootConfig>, now: Timestamp) {
        let Some(key) = self.whose(fetch) else { return };
        match fetch.step {
            FetchStep::Started if self.transfers.len() < TRANSFERS => {
                self.transfers.insert(fetch.transfer, key);
            }
            FetchStep::Started | FetchStep::Bytes(_) => {}
            FetchStep::Probed | FetchStep::Done(_) | FetchStep::Failed(..) => {
                self.transfers.remove(&fetch.transfer);
            }
        }
        self.change(key, now, |attempt| attempt.fetch(fetch, config, now));
    }

    /// Names those that came no further, and forgets those that are over.
    pub fn handle_timeout(&mut self, config: Option<&BootConfig>, now: Timestamp) {
        let due: Vec<Key> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.stalls_at().is_some_and(|at| at <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            self.change(key, now, |attempt| attempt.stall(config));
        }
        self.attempts
            .retain(|_, attempt| attempt.is_running() || attempt.last().shifted(REMEMBERED) > now);
        let attempts = &self.attempts;
        self.by_address.retain(|_, key| attempts.contains_key(key));
        self.transfers.retain(|_, key| attempts.contains_key(key));
    }

    /// When `handle_timeout` has something to say.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let stalls = self.attempts.values().filter_map(Attempt::stalls_at).min();
        let over = self.attempts.values().filter(|attempt| !attempt.is_running());
        let forgets = over.map(|attempt| attempt.last().shifted(REMEMBERED)).min();
        [stalls, forgets].into_iter().flatten().min()
    }

    /// Attempts as they are now that have changed, in the order in which they did; not numbered yet.
    pub fn take_changed(&mut self) -> Vec<BootAttempt> {
        mem::take(&mut self.changed)
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn whose(&self, fetch: &Fetch<'_>) -> Option<Key> {
        let known = self.transfers.get(&fetch.transfer);
        let by_address = || self.by_address.get(&fetch.peer);
        // A proxy gives no address, so only the script tells who has it.
        let by_mac = || {
            let mac = fetch.told.mac?;
            self.attempts.keys().find(|(_, other)| *other == mac)
        };
        known.or_else(by_mac).or_else(by_address).copied()
    }

    fn begin(&mut self, key: Key, client: BootClient, config: Option<&BootConfig>, now: Timestamp) {
        self.change(key, now, |attempt| attempt.begin_anew(config));
        if self.attempts.len() >= ATTEMPTS && !self.attempts.contains_key(&key) {
            let oldest = self.attempts.iter().min_by_key(|(_, attempt)| attempt.last());
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                let forgotten = self.attempts.remove(&oldest);
                if let Some(address) = forgotten.and_then(|attempt| attempt.address) {
                    self.by_address.remove(&address);
                }
                self.tally.forgotten += 1;
            }
        }
        self.count += 1;
        self.tally.started += 1;
        let id = uuid::Builder::from_random_bytes(
            ((u128::from(self.session) << 64) | u128::from(self.count)).to_be_bytes(),
        );
        self.attempts.insert(key, Attempt::new(id.into_uuid(), key, client, now));
    }

    /// Lets an attempt change, and tells of it.
    fn change(&mut self, key: Key, now: Timestamp, change: impl FnOnce(&mut Attempt) -> Change) {
        let Some(attempt) = self.attempts.get_mut(&key) else { return };
        let before = mem::discriminant(attempt.outcome());
        let change = change(attempt);
        if !attempt.is_told(change, now) {
            return;
        }
        if mem::discriminant(attempt.outcome()) != before {
            match attempt.outcome() {
                BootOutcome::Running => {}
                BootOutcome::Finished => self.tally.finished += 1,
                BootOutcome::Stalled { .. } => self.tally.stalled += 1,
            }
        }
        self.changed.push(attempt.tell());
    }
}

#[cfg(test)]
mod tests;
