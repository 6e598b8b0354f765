//! The transfers that are open: found by their client, bounded for each client and in all.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Instant,
};

use super::{
    blocks::Blocks,
    packet::Options,
    transfer::{Ending, Transfer},
};
use crate::services::{boot_events, limits::Limits};

/// A transfer with all that belongs to it.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) client: Client,
    pub(super) path: String,
    pub(super) asked: Options,
    pub(super) socket: UdpSocket,
    pub(super) transfer: Transfer,
    pub(super) blocks: Blocks,
    /// The acknowledgement of the options, as it was sent.
    pub(super) offer: Vec<u8>,
    pub(super) told: boot_events::Transfer,
    /// When the queue of deadlines will speak of it next.
    pub(super) queued: Instant,
}

/// Who asked, and at which address of the rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) local: IpAddr,
}

/// Where a transfer is: its place, and a number that the next one in that place does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    place: usize,
    number: u64,
}

impl Key {
    pub(super) fn place(self) -> usize {
        self.place
    }
}

/// A transfer takes a socket, less than a KiB, and while it sends a buffer of 64 KiB or its window. A booting machine has one open, seldom two; several may
/// come from one address where it is translated.
pub(super) const LIMITS: Limits = Limits { in_all: 4096, per_client: 32 };

#[derive(Debug)]
pub(super) struct Transfers {
    limits: Limits,
    places: Vec<Option<(u64, Active)>>,
    free: Vec<usize>,
    numbers: u64,
    /// The newest of each client.
    by_client: HashMap<Client, Key>,
    by_address: HashMap<IpAddr, Vec<Key>>,
    /// In the order in which they were opened; whoever was heard of meanwhile is passed over.
    half_open: VecDeque<Key>,
}

impl Transfers {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            places: Vec::new(),
            free: Vec::new(),
            numbers: 0,
            by_client: HashMap::new(),
            by_address: HashMap::new(),
            half_open: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn get(&mut self, key: Key) -> Option<&mut Active> {
        let (number, active) = self.places.get_mut(key.place)?.as_mut()?;
        (*number == key.number).then_some(active)
    }

    pub(super) fn at(&self, place: usize) -> Option<Key> {
        let (number, _) = self.places.get(place)?.as_ref()?;
        Some(Key { place, number: *number })
    }

    pub(super) fn of_client(&self, client: &Client) -> Option<Key> {
        self.by_client.get(client).copied()
    }

    /// Who must go before another one of this address may begin: the oldest that was never heard of again, since a request costs a forger nothing and a
    /// machine that waits has answered. `Err`: all of them are alive.
    pub(super) fn make_room(&mut self, address: IpAddr) -> Result<Option<Key>, ()> {
        let own = self.by_address.get(&address).cloned().unwrap_or_default();
        if own.len() >= self.limits.per_client {
            let oldest = own.into_iter().find(|key| self.is_half_open(*key));
            return oldest.map(Some).ok_or(());
        }
        while let Some(key) = self.half_open.front().copied() {
            if self.is_half_open(key) {
                break;
            }
            self.half_open.pop_front();
        }
        if self.len() < self.limits.in_all {
            return Ok(None);
        }
        self.half_open.pop_front().map(Some).ok_or(())
    }

    pub(super) fn insert(&mut self, active: Active) -> Key {
        self.numbers += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let key = Key { place, number: self.numbers };
        self.by_client.insert(active.client, key);
        self.by_address.entry(active.client.peer.ip()).or_default().push(key);
        self.half_open.push_back(key);
        self.places[place] = Some((key.number, active));
        key
    }

    /// Ends it; its socket closes and its buffers go.
    pub(super) fn end(&mut self, key: Key, ending: Ending) {
        let Some(active) = self.remove(key) else { return };
        let sent = active.transfer.delivered();
        if active.transfer.repeated > 0 {
            metrics::counter!("hostler_tftp_blocks_repeated_total")
                .increment(active.transfer.repeated);
        }
        match ending {
            Ending::Done => active.told.done(active.blocks.size()),
            Ending::Probed => active.told.probed(),
            Ending::Failed(failure) => active.told.failed(sent, failure),
        }
    }

    fn remove(&mut self, key: Key) -> Option<Active> {
        self.get(key)?;
        let (_, active) = self.places[key.place].take()?;
        self.free.push(key.place);
        if self.by_client.get(&active.client) == Some(&key) {
            self.by_client.remove(&active.client);
        }
        let address = active.client.peer.ip();
        if let Some(own) = self.by_address.get_mut(&address) {
            own.retain(|other| *other != key);
            if own.is_empty() {
                self.by_address.remove(&address);
            }
        }
        if self.len() == 0 {
            // What a storm of requests made them grow to goes back.
            *self = Self { numbers: self.numbers, ..Self::new(self.limits) };
        }
        Some(active)
    }

    fn is_half_open(&mut self, key: Key) -> bool {
        self.get(key).is_some_and(|active| active.transfer.is_half_open())
    }
}
