//! Leases in one piece of memory, and the lists through them.

use std::{
    hash::{BuildHasher, Hasher},
    net::Ipv4Addr,
    ops::{Index, IndexMut},
};

use foldhash::fast::FixedState;

use super::state::State;

/// Which lease of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

/// No slot; there are fewer leases than IPv4 addresses.
const NONE: u32 = u32::MAX;

/// What a client says of itself (RFC 2131 section 4.2): its identifier, else hardware type and address. What it is called and where it is attached goes with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Client<'a> {
    pub(crate) hardware_type: u8,
    /// At most 16 bytes.
    pub(crate) hardware: &'a [u8],
    /// Option 61, empty when it sent none.
    pub(crate) identifier: &'a [u8],
    /// Option 12.
    pub(crate) host_name: &'a [u8],
    /// Option 82.
    pub(crate) relay_information: &'a [u8],
    /// It asks in the course of a network boot: firmware, or a loader.
    pub(crate) boot: bool,
}

impl Client<'_> {
    pub(crate) fn is(&self, other: &Client<'_>) -> bool {
        if self.identifier.is_empty() && other.identifier.is_empty() {
            self.hardware_type == other.hardware_type && self.hardware == other.hardware
        } else {
            self.identifier == other.identifier
        }
    }

    /// Its hardware address, if that is an Ethernet one.
    pub(crate) fn mac(&self) -> Option<[u8; 6]> {
        const ETHERNET: u8 = 1;
        (self.hardware_type == ETHERNET).then(|| self.hardware.try_into().ok()).flatten()
    }

    /// Whether both are one machine in different stages of its boot. Firmware, loader and system call themselves differently (RFC 4578 section 2.3 against
    /// RFC 4361), so that only the network card and the port where it is attached tell; and nothing tells two systems behind one card apart from two stages
    /// but that one of them is none.
    pub(crate) fn is_stage_of(&self, other: &Client<'_>) -> bool {
        (self.boot || other.boot)
            && self.mac().is_some()
            && self.mac() == other.mac()
            && self.relay_information == other.relay_information
    }

    pub(crate) fn hash(&self, state: &FixedState) -> u64 {
        if self.identifier.is_empty() {
            return self.hash_hardware(state);
        }
        let mut hasher = state.build_hasher();
        hasher.write(self.identifier);
        hasher.finish()
    }

    pub(crate) fn hash_hardware(&self, state: &FixedState) -> u64 {
        let mut hasher = state.build_hasher();
        hasher.write_u8(self.hardware_type);
        hasher.write(self.hardware);
        hasher.finish()
    }
}

/// One address and its latest client: 64 bytes, a cache line. What varies in length is one allocation, or none.
pub(crate) struct Lease {
    /// Identifier, host name and relay information, then the length of the host name; empty if all three are.
    varying: Box<[u8]>,
    /// The number of the record that last told of this address; 0 if none did.
    pub(crate) revision: u64,
    hardware: [u8; 16],
    address: u32,
    /// Seconds since 1970.
    pub(crate) started: u32,
    pub(crate) ends: u32,
    previous: u32,
    next: u32,
    pub(crate) state: State,
    hardware_type: u8,
    /// And in the highest bit whether its client was booting.
    hardware_length: u8,
    identifier_length: u8,
}

const BOOT: u8 = 0x80;

const _: () = assert!(size_of::<Lease>() == 64);

impl Lease {
    fn new(address: Ipv4Addr, client: &Client<'_>) -> Self {
        let mut lease = Self {
            varying: Box::default(),
            revision: 0,
            hardware: [0; 16],
            address: address.to_bits(),
            started: 0,
            ends: 0,
            previous: NONE,
            next: NONE,
            state: State::Expired,
            hardware_type: 0,
            hardware_length: 0,
            identifier_length: 0,
        };
        lease.set_client(client);
        lease
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address)
    }

    pub(crate) fn client(&self) -> Client<'_> {
        let (identifier, host_name, relay_information) = self.parts();
        Client {
            hardware_type: self.hardware_type,
            hardware: &self.hardware[..(self.hardware_length & !BOOT).into()],
            identifier,
            host_name,
            relay_information,
            boot: self.hardware_length & BOOT != 0,
        }
    }

    /// Allocates only where something has changed.
    pub(crate) fn set_client(&mut self, client: &Client<'_>) {
        let hardware = &client.hardware[..client.hardware.len().min(16)];
        self.hardware = [0; 16];
        self.hardware[..hardware.len()].copy_from_slice(hardware);
        self.hardware_type = client.hardware_type;
        self.hardware_length = short(hardware) | if client.boot { BOOT } else { 0 };
        let new = (client.identifier, client.host_name, client.relay_information);
        if self.parts() == new {
            return;
        }
        self.identifier_length = short(client.identifier);
        let host_name_length = [short(client.host_name)];
        self.varying = if (new.0.len(), new.1.len(), new.2.len()) == (0, 0, 0) {
            Box::default()
        } else {
            [new.0, new.1, new.2, &host_name_length].concat().into_boxed_slice()
        };
    }

    fn parts(&self) -> (&[u8], &[u8], &[u8]) {
        let Some((host_name_length, rest)) = self.varying.split_last() else {
            return (&[], &[], &[]);
        };
        let (identifier, rest) = rest.split_at(self.identifier_length.into());
        let (host_name, relay_information) = rest.split_at((*host_name_length).into());
        (identifier, host_name, relay_information)
    }
}

/// Lengths come from one byte of a packet or record.
fn short(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("options are joined to at most 255 bytes")
}

/// Slots keep their leases until they are vacated, and are then used again.
#[derive(Default)]
pub(crate) struct Slab {
    leases: Vec<Lease>,
    vacant: Vec<u32>,
}

impl Slab {
    pub(crate) fn insert(&mut self, address: Ipv4Addr, client: &Client<'_>) -> Slot {
        let lease = Lease::new(address, client);
        if let Some(at) = self.vacant.pop() {
            self.leases[at as usize] = lease;
            return Slot(at);
        }
        let at = u32::try_from(self.leases.len()).expect("fewer leases than IPv4 addresses");
        self.leases.push(lease);
        Slot(at)
    }

    /// The slot's lease is in no list and in no index by now.
    pub(crate) fn vacate(&mut self, slot: Slot) {
        self.leases[slot.0 as usize] = Lease::new(Ipv4Addr::UNSPECIFIED, &Client::default());
        self.vacant.push(slot.0);
    }

    /// Slots from this one on, the vacated ones among them: they hold the unspecified address.
    pub(crate) fn slots_from(&self, first: u32) -> impl Iterator<Item = Slot> + use<> {
        (first..u32::try_from(self.leases.len()).unwrap_or(NONE)).map(Slot)
    }
}

impl Slot {
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// How many slots there are up to this one: its number where 0 has to mean none.
    pub(crate) fn count(self) -> u32 {
        self.0 + 1
    }

    pub(crate) fn from_count(count: u32) -> Option<Self> {
        count.checked_sub(1).map(Self)
    }
}

impl Index<Slot> for Slab {
    type Output = Lease;

    fn index(&self, slot: Slot) -> &Lease {
        &self.leases[slot.0 as usize]
    }
}

impl IndexMut<Slot> for Slab {
    fn index_mut(&mut self, slot: Slot) -> &mut Lease {
        &mut self.leases[slot.0 as usize]
    }
}

/// A queue of leases, linked through them; a lease is in one at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE }
    }
}

impl List {
    pub(crate) fn first(&self) -> Option<Slot> {
        (self.first != NONE).then_some(Slot(self.first))
    }

    pub(crate) fn after(slab: &Slab, slot: Slot) -> Option<Slot> {
        let next = slab[slot].next;
        (next != NONE).then_some(Slot(next))
    }

    pub(crate) fn push(&mut self, slab: &mut Slab, slot: Slot) {
        slab[slot].previous = self.last;
        slab[slot].next = NONE;
        match self.last {
            NONE => self.first = slot.0,
            last => slab[Slot(last)].next = slot.0,
        }
        self.last = slot.0;
    }

    pub(crate) fn remove(&mut self, slab: &mut Slab, slot: Slot) {
        let Lease { previous, next, .. } = slab[slot];
        match previous {
            NONE => self.first = next,
            previous => slab[Slot(previous)].next = next,
        }
        match next {
            NONE => self.last = previous,
            next => slab[Slot(next)].previous = previous,
        }
        (slab[slot].previous, slab[slot].next) = (NONE, NONE);
    }
}
