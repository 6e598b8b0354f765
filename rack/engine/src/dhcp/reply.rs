//! What a reply says and where it goes.

use std::net::{Ipv4Addr, SocketAddrV4};

use common::Lifetime;

use super::{
    boot::BootOptions,
    compiled::{Boot, EncodedPair},
    counters::Answer,
    v4::{BROADCAST, Request},
};
use crate::output::To;

/// What goes into a reply beside what the request says.
pub(crate) struct Reply<'a> {
    pub(crate) answer: Answer,
    pub(crate) server: Ipv4Addr,
    /// The client's address and how long it has it.
    pub(crate) lease: Option<(Ipv4Addr, Lifetime)>,
    /// None in a NAK.
    pub(crate) told: Option<(EncodedPair<'a>, &'a Boot)>,
    /// For a machine that boots.
    pub(crate) boot: Option<BootOptions<'a>>,
}

/// Every host takes datagrams of this size (RFC 2131 section 2); a client may say that it takes larger ones (option 57), up to a frame's.
const SMALLEST_LIMIT: u16 = 576;
const ETHERNET_MTU: u16 = 1500;
const IP_AND_UDP: usize = 28;
/// What BOOTP relays and clients expect at least (RFC 1542 section 2.1).
const SMALLEST: usize = 300;
/// For a client that asks for nothing in particular: mask, routers, name servers, host name, domain, broadcast address.
const UNASKED: [u8; 6] = [1, 3, 6, 12, 15, 28];
const BOOT_REPLY: u8 = 2;
const SUBNET_MASK: u8 = 1;
const END: u8 = 255;

impl Reply<'_> {
    /// Appends the reply: the options of the protocol first, then what the client wants in its order, the relay's own last.
    pub(crate) fn write(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        let largest = request.largest.unwrap_or(0).clamp(SMALLEST_LIMIT, ETHERNET_MTU);
        let limit = start + usize::from(largest) - IP_AND_UDP;
        out.extend_from_slice(&self.head(request));
        out.extend_from_slice(&[53, 1, self.answer.message_type(), 54, 4]);
        out.extend_from_slice(&self.server.octets());
        if let Some((_, lifetime)) = self.lease {
            let times =
                [(51, lifetime.seconds()), (58, lifetime.renewal()), (59, lifetime.rebinding())];
            for (code, seconds) in times {
                out.extend_from_slice(&[code, 4]);
                out.extend_from_slice(&seconds.to_be_bytes());
            }
        }
        // RFC 6842: a client's identifier comes back to it
        write_option(61, request.client.identifier, out);
        let relay = request.client.relay_information;
        let reserve = if relay.is_empty() { 1 } else { 3 + relay.len() };
        let mut done = Done::default();
        let operators = self.told.map(|(options, _)| options);
        if let Some(boot) = &self.boot {
            boot.write(operators, limit - reserve, &mut done, out);
        }
        if let Some(options) = operators.filter(|_| !self.is_proxy()) {
            write_wanted(request.wanted, options, limit - reserve, (done, out));
        }
        write_option(82, relay, out);
        out.push(END);
        if out.len() < start + SMALLEST {
            out.resize(start + SMALLEST, 0);
        }
    }

    /// Whether another server gives the address, and all that goes with it.
    fn is_proxy(&self) -> bool {
        matches!(self.answer, Answer::BootOffer | Answer::BootAck)
    }

    /// The fixed part (RFC 2131 section 4.3.1, table 3).
    fn head(&self, request: &Request<'_>) -> [u8; 240] {
        let mut head = [0; 240];
        let octets = |address: Option<Ipv4Addr>| address.unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
        head[0] = BOOT_REPLY;
        head[1] = request.client.hardware_type;
        head[2] = u8::try_from(request.client.hardware.len()).expect("at most 16 bytes");
        head[4..8].copy_from_slice(&request.xid.to_be_bytes());
        head[10..12].copy_from_slice(&self.flags(request).to_be_bytes());
        if let Answer::Ack | Answer::Information = self.answer {
            head[12..16].copy_from_slice(&octets(request.ciaddr));
        }
        head[16..20].copy_from_slice(&octets(self.lease.map(|(address, _)| address)));
        let own = || self.told.map(|(_, boot)| (boot.next_server, boot.file.as_str()));
        let boot = self.boot.as_ref().map(BootOptions::server_and_file);
        if let Some((server, file)) = boot.or_else(own) {
            head[20..24].copy_from_slice(&octets(server));
            head[108..108 + file.len()].copy_from_slice(file.as_bytes());
        }
        head[24..28].copy_from_slice(&octets(request.giaddr));
        head[28..44].copy_from_slice(&request.chaddr);
        head[236..240].copy_from_slice(&[99, 130, 83, 99]);
        head
    }

    /// A relay must broadcast a NAK: its client has no usable address (RFC 2131 section 4.3.2).
    fn flags(&self, request: &Request<'_>) -> u16 {
        match (self.answer, request.giaddr) {
            (Answer::Nak, Some(_)) => request.flags | BROADCAST,
            _ => request.flags,
        }
    }

    /// RFC 2131 section 4.1.
    pub(crate) fn destination(&self, request: &Request<'_>, source: SocketAddrV4) -> To {
        const SERVER_PORT: u16 = 67;
        const CLIENT_PORT: u16 = 68;
        let client = |address| To::Unicast(SocketAddrV4::new(address, CLIENT_PORT));
        if self.answer == Answer::BootAck {
            return To::Unicast(source);
        }
        if let Some(giaddr) = request.giaddr {
            return To::Unicast(SocketAddrV4::new(giaddr, SERVER_PORT));
        }
        match (self.answer, request.ciaddr, self.lease) {
            (Answer::Ack | Answer::Information, Some(ciaddr), _) => client(ciaddr),
            (Answer::Information, None, _) if !source.ip().is_unspecified() => client(*source.ip()),
            (Answer::Offer | Answer::Ack, _, Some((address, _))) => match request.mac() {
                Some(mac) if request.flags & BROADCAST == 0 => To::Hardware { mac, address },
                _ => To::Broadcast,
            },
            _ => To::Broadcast,
        }
    }
}

/// Which options stand in a reply already.
#[derive(Clone, Copy, Default)]
pub(crate) struct Done([u64; 4]);

impl Done {
    /// Whether it did not until now.
    pub(crate) fn add(&mut self, code: u8) -> bool {
        let (word, bit) = (usize::from(code >> 6), 1 << (code & 63));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}

fn write_wanted(
    wanted: &[u8],
    options: EncodedPair<'_>,
    limit: usize,
    (mut done, out): (Done, &mut Vec<u8>),
) {
    let wanted = if wanted.is_empty() { &UNASKED } else { wanted };
    // the mask comes before the routers (RFC 2132 section 3.3), wherever it stands in the client's list
    for code in std::iter::once(SUBNET_MASK).chain(wanted.iter().copied()) {
        let option = options.get(code);
        if done.add(code) && out.len() + option.len() <= limit {
            out.extend_from_slice(option);
        }
    }
}

pub(crate) fn write_option(code: u8, value: &[u8], out: &mut Vec<u8>) {
    if let (Ok(length), false) = (u8::try_from(value.len()), value.is_empty()) {
        out.extend_from_slice(&[code, length]);
        out.extend_from_slice(value);
    }
}
