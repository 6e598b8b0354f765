//! What the engine wants done. The shell lends the buffers and keeps the order.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::{boot::trace::Sighting, lease::record};

/// A network interface of the shell's, by the number that the shell gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Link(pub u16);

/// A datagram as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    pub link: Link,
    pub source: SocketAddrV4,
    /// The address of this rack that it was sent to; none if it was broadcast.
    pub local: Option<Ipv4Addr>,
    pub payload: &'a [u8],
}

/// Where a reply goes (RFC 2131 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// UDP, to a relay or to a client that has its address.
    Unicast(SocketAddrV4),
    /// 255.255.255.255, port 68.
    Broadcast,
    /// A client that has no address yet: a frame to its hardware address.
    Hardware { mac: [u8; 6], address: Ipv4Addr },
}

/// A reply: a piece of `Outputs::bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Send {
    pub link: Link,
    /// The server identifier, which is the address it leaves from.
    pub from: Ipv4Addr,
    pub to: To,
    pub start: u32,
    pub len: u32,
}

/// All that a run of calls wants done. `early` promises nothing and may leave at once; `late` may leave only when `records` are on the disk.
#[derive(Default)]
pub struct Outputs {
    /// OFFER, NAK and the answer to INFORM.
    pub early: Vec<Send>,
    /// A frame of the lease log, begun: room for its head, then records; see `lease::record`.
    pub log: Vec<u8>,
    pub records: u32,
    /// The revision of the last record.
    pub revision: u64,
    /// ACKs.
    pub late: Vec<Send>,
    /// What `early` and `late` send.
    pub bytes: Vec<u8>,
    /// Of machines that boot, for whoever follows them; nothing depends on it.
    pub sightings: Vec<Sighting>,
}

impl Outputs {
    /// Empty, and begun.
    pub fn begin(&mut self) {
        record::begin(&mut self.log);
        self.early.clear();
        self.late.clear();
        self.bytes.clear();
        self.sightings.clear();
        self.records = 0;
    }

    pub fn payload(&self, send: &Send) -> &[u8] {
        &self.bytes[send.start as usize..][..send.len as usize]
    }
}
