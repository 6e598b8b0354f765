//! The leases of one VLAN: by address, by client, by end, and which addresses are free.

use std::net::Ipv4Addr;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{
    Client, Lease, Pool, Slot,
    expiry::Wheel,
    record::Record,
    slab::{List, Slab},
    state::{self, Event, State},
};
use crate::dhcp::Utilisation;

pub(crate) struct Table {
    leases: Slab,
    /// Those whose address is in no pool: pools know their own.
    by_address: HashTable<Slot>,
    /// Leases of clients that may come back for them; a client may have an offer besides a lease.
    by_client: HashTable<Slot>,
    /// Those of them whose client has an identifier, by its hardware address: the others are found as clients.
    by_hardware: HashTable<Slot>,
    /// Those that have not ended.
    wheel: Wheel,
    /// The ended ones of addresses that are in no pool.
    elsewhere: List,
    pools: Vec<Pool>,
    counts: Counts,
    hasher: FixedState,
}

/// How many leases stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) offered: u32,
    pub(crate) bound: u32,
    pub(crate) declined: u32,
}

/// A change that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: State,
    pub(crate) to: State,
}

impl Table {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            leases: Slab::default(),
            by_address: HashTable::new(),
            by_client: HashTable::new(),
            by_hardware: HashTable::new(),
            wheel: Wheel::default(),
            elsewhere: List::default(),
            pools: Vec::new(),
            counts: Counts::default(),
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn lease(&self, slot: Slot) -> &Lease {
        &self.leases[slot]
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn utilisation(&self) -> Utilisation {
        let Counts { offered, bound, declined } = self.counts;
        let addresses = self.pools.iter().map(Pool::size).sum();
        let free = self.pools.iter().map(Pool::free).sum();
        Utilisation { addresses, free, offered, bound, declined }
    }

    pub(crate) fn pools(&self) -> &[Pool] {
        &self.pools
    }

    pub(crate) fn at(&self, address: Ipv4Addr) -> Option<Slot> {
        if let Some((pool, number)) = self.pool_of(address) {
            return self.pools[pool].slot(number);
        }
        let is_it = |slot: &Slot| self.leases[*slot].address() == address;
        self.by_address.find(hash_address(&self.hasher, address), is_it).copied()
    }

    /// What this client has: a lease that goes on, else an offer, else the lease that ended last.
    pub(crate) fn of_client(&self, client: &Client<'_>) -> Option<Slot> {
        self.all_of_client(client).max_by_key(|slot| self.rank(*slot))
    }

    fn rank(&self, slot: Slot) -> (bool, bool, u32) {
        let lease = &self.leases[slot];
        (lease.state == State::Bound, lease.state == State::Offered, lease.ends)
    }

    /// What another stage of this client's boot has or had: a lease that goes on before an offer, the one that ends last first.
    pub(crate) fn of_other_stage(&self, client: &Client<'_>) -> Option<Slot> {
        let hash = client.hash_hardware(&self.hasher);
        let bare = |slot: &&Slot| self.leases[**slot].client().identifier.is_empty();
        let bare = self.by_client.iter_hash(hash).filter(bare);
        let all = bare.chain(self.by_hardware.iter_hash(hash)).copied();
        let other = |slot: &Slot| {
            let holder = self.leases[*slot].client();
            !holder.is(client) && holder.is_stage_of(client)
        };
        all.filter(other).max_by_key(|slot| self.rank(*slot))
    }

    /// Any lease of this client but the one at `address`.
    pub(crate) fn other_of_client(&self, client: &Client<'_>, address: Ipv4Addr) -> Option<Slot> {
        self.all_of_client(client).find(|slot| self.leases[*slot].address() != address)
    }

    /// An offer to this client, of another address than this one.
    pub(crate) fn offer_to(&self, client: &Client<'_>, except: Option<Ipv4Addr>) -> Option<Slot> {
        self.all_of_client(client).find(|slot| {
            let lease = &self.leases[*slot];
            lease.state == State::Offered && Some(lease.address()) != except
        })
    }

    fn all_of_client(&self, client: &Client<'_>) -> impl Iterator<Item = Slot> {
        let same = |slot: &Slot| self.leases[*slot].client().is(client);
        self.by_client.iter_hash(client.hash(&self.hasher)).copied().filter(same)
    }

    /// The lease of an address that is free or this client's own, made this client's; it is ended until it is moved on.
    pub(crate) fn claim(&mut self, address: Ipv4Addr, client: &Client<'_>) -> Slot {
        let Some(slot) = self.at(address) else {
            return self.insert(address, client);
        };
        // its client may have given it up, and has come back
        self.forget_client(slot);
        self.leases[slot].set_client(client);
        self.remember_client(slot);
        slot
    }

    fn insert(&mut self, address: Ipv4Addr, client: &Client<'_>) -> Slot {
        let slot = self.leases.insert(address, client);
        self.place(slot);
        self.link(slot);
        self.remember_client(slot);
        slot
    }

    /// Takes a lease out altogether: its address counts as never given.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let address = self.leases[slot].address();
        self.unlink(slot);
        self.forget_client(slot);
        let hash = hash_address(&self.hasher, address);
        if let Some((pool, number)) = self.pool_of(address) {
            self.pools[pool].vacate(number);
        } else if let Ok(entry) = self.by_address.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        self.leases.vacate(slot);
    }

    /// Moves a lease as the table of states says.
    pub(crate) fn apply(
        &mut self,
        slot: Slot,
        event: Event,
        now: u32,
        ends: u32,
    ) -> Option<Change> {
        let from = self.leases[slot].state;
        let to = state::next(from, event)?;
        if event == Event::Offer && to == State::Bound {
            return Some(Change { from, to });
        }
        let begins = from != State::Bound && to == State::Bound;
        let started = if begins { now } else { self.leases[slot].started };
        self.set(slot, to, started, ends);
        Some(Change { from, to })
    }

    fn set(&mut self, slot: Slot, state: State, started: u32, ends: u32) {
        self.unlink(slot);
        let lease = &mut self.leases[slot];
        (lease.state, lease.started, lease.ends) = (state, started, ends);
        if state == State::Declined {
            // its client is to get another address
            self.forget_client(slot);
        }
        self.link(slot);
    }

    pub(crate) fn set_revision(&mut self, slot: Slot, revision: u64) {
        self.leases[slot].revision = revision;
    }

    /// What else the client of a lease that goes on says of itself now.
    pub(crate) fn set_client(&mut self, slot: Slot, client: &Client<'_>) {
        let is_moved = self.leases[slot].client().hardware != client.hardware;
        if is_moved {
            self.forget_client(slot);
        }
        self.leases[slot].set_client(client);
        if is_moved {
            self.remember_client(slot);
        }
    }

    pub(crate) fn next_due(&mut self, now: u32) -> Option<Slot> {
        self.wheel.next_due(&self.leases, now)
    }

    /// Whether its address can be given to whoever asks.
    pub(crate) fn is_dynamic(&self, address: Ipv4Addr) -> bool {
        self.pool_of(address).is_some()
    }

    /// A record read back. Records come in the order in which they were written, except that a snapshot may hold newer ones: the higher revision wins.
    pub(crate) fn load(&mut self, record: &Record<'_>) {
        let client = record.client();
        let known = self.at(record.address);
        if known.is_some_and(|slot| self.leases[slot].revision > record.revision) {
            return;
        }
        let slot = self.claim(record.address, &client);
        let [started, ends] = [record.started, record.ends].map(seconds);
        self.set(slot, record.state, started, ends);
        self.leases[slot].revision = record.revision;
    }

    /// Other pools: leases stay, whatever is free is found again. Pools with the ranges that they had go on as they are. Gives back the old ones.
    pub(crate) fn set_pools(&mut self, pools: Vec<Pool>) -> Vec<Pool> {
        let mut old = std::mem::replace(&mut self.pools, pools);
        let mut kept = vec![false; self.pools.len()];
        for (at, pool) in self.pools.iter_mut().enumerate() {
            if let Some(same) = old.iter_mut().find(|other| other.has_ranges_of(pool)) {
                std::mem::swap(pool, same);
                kept[at] = true;
            }
        }
        if kept.len() == old.len() && kept.iter().all(|kept| *kept) {
            return old;
        }
        self.place_all(&kept);
        old
    }

    /// Finds the leases of pools that were not kept, and forgets ended ones whose address is in no pool.
    fn place_all(&mut self, kept: &[bool]) {
        self.elsewhere = List::default();
        self.by_address.clear();
        let mut ended = Vec::new();
        for slot in self.leases.slots_from(0) {
            let lease = &self.leases[slot];
            let pool = self.pool_of(lease.address());
            if lease.address().is_unspecified() || pool.is_some_and(|(pool, _)| kept[pool]) {
                continue;
            }
            if lease.state.is_ended() {
                ended.push((lease.ends, slot));
            }
            self.place(slot);
        }
        ended.sort_by_key(|(ends, slot)| (*ends, slot.number()));
        for (_, slot) in ended {
            self.link_ended(slot);
            if !self.is_dynamic(self.leases[slot].address()) {
                self.remove(slot);
            }
        }
    }

    /// Leases in the order of their slots, from one on.
    pub(crate) fn leases_from(&self, first: u32) -> impl Iterator<Item = (u32, &Lease)> {
        let slots = self.leases.slots_from(first);
        slots
            .map(|slot| (slot.number(), &self.leases[slot]))
            .filter(|(_, lease)| !lease.address().is_unspecified())
    }

    /// Makes a lease known by its address.
    fn place(&mut self, slot: Slot) {
        let address = self.leases[slot].address();
        if let Some((pool, number)) = self.pool_of(address) {
            self.pools[pool].occupy(number, slot);
        } else {
            let (leases, hasher) = (&self.leases, &self.hasher);
            let hash = |slot: &Slot| hash_address(hasher, leases[*slot].address());
            self.by_address.insert_unique(hash(&slot), slot, hash);
        }
    }

    fn link(&mut self, slot: Slot) {
        let state = self.leases[slot].state;
        if let Some(count) = self.counts.of(state) {
            *count += 1;
            self.wheel.insert(&mut self.leases, slot);
        } else {
            self.link_ended(slot);
        }
    }

    fn link_ended(&mut self, slot: Slot) {
        match self.pool_of(self.leases[slot].address()) {
            Some((pool, _)) => {
                self.pools[pool].ended.push(&mut self.leases, slot);
                self.pools[pool].ended_count += 1;
            }
            None => self.elsewhere.push(&mut self.leases, slot),
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let state = self.leases[slot].state;
        if let Some(count) = self.counts.of(state) {
            *count -= 1;
            self.wheel.remove(&mut self.leases, slot);
        } else if let Some((pool, _)) = self.pool_of(self.leases[slot].address()) {
            self.pools[pool].ended.remove(&mut self.leases, slot);
            self.pools[pool].ended_count -= 1;
        } else {
            self.elsewhere.remove(&mut self.leases, slot);
        }
    }

    fn remember_client(&mut self, slot: Slot) {
        let (leases, hasher) = (&self.leases, &self.hasher);
        let hash = |slot: &Slot| leases[*slot].client().hash(hasher);
        self.by_client.insert_unique(hash(&slot), slot, hash);
        if !leases[slot].client().identifier.is_empty() {
            let hash = |slot: &Slot| leases[*slot].client().hash_hardware(hasher);
            self.by_hardware.insert_unique(hash(&slot), slot, hash);
        }
    }

    /// Its address stays with it until it is taken, but its client is not offered it again.
    pub(crate) fn forget_client(&mut self, slot: Slot) {
        let hash = self.leases[slot].client().hash(&self.hasher);
        if let Ok(entry) = self.by_client.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        let client = self.leases[slot].client();
        if !client.identifier.is_empty() {
            let hash = client.hash_hardware(&self.hasher);
            if let Ok(entry) = self.by_hardware.find_entry(hash, |other| *other == slot) {
                entry.remove();
            }
        }
    }

    fn pool_of(&self, address: Ipv4Addr) -> Option<(usize, u32)> {
        let mut pools = self.pools.iter().enumerate();
        pools.find_map(|(at, pool)| pool.number(address).map(|number| (at, number)))
    }
}

impl Counts {
    pub(crate) fn total(self) -> u32 {
        self.offered + self.bound + self.declined
    }

    /// The count of a state in which a lease waits for its end.
    fn of(&mut self, state: State) -> Option<&mut u32> {
        match state {
            State::Offered => Some(&mut self.offered),
            State::Bound => Some(&mut self.bound),
            State::Declined => Some(&mut self.declined),
            State::Released | State::Expired => None,
        }
    }
}

fn hash_address(hasher: &FixedState, address: Ipv4Addr) -> u64 {
    use std::hash::BuildHasher;
    hasher.hash_one(address.to_bits())
}

/// Leases count whole seconds since 1970, until 2106.
pub(crate) fn seconds(time: common::Timestamp) -> u32 {
    u32::try_from(time.seconds().max(0)).unwrap_or(u32::MAX)
}
