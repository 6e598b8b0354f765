//! DHCP messages of RFC 2131, as much as a client needs. Written apart from the rack's own codec, so that a mistake there does not meet itself here.

use super::{Lease, Mac};
use std::net::Ipv4Addr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Kind {
    Offer,
    Ack,
    Nak,
}

#[derive(Clone, Debug)]
pub(in crate::lab) struct Packet {
    pub(in crate::lab) kind: Kind,
    pub(in crate::lab) transaction: u32,
    pub(in crate::lab) lease: Lease,
    pub(in crate::lab) boot: Boot,
}

/// What a machine that boots is told, wherever that stands in the packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// A path, or a URL.
    pub file: String,
    /// As a server of the kind that the machine looks for calls itself.
    pub class: String,
    pub lease_seconds: u32,
}

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const OPTIONS: usize = 240;
/// BOOTP's least (RFC 1542 section 2.1).
const SHORTEST: usize = 300;

const SUBNET_MASK: u8 = 1;
const DNS_SERVERS: u8 = 6;
const HOST_NAME: u8 = 12;
const REQUESTED_ADDRESS: u8 = 50;
const MESSAGE_TYPE: u8 = 53;
const LEASE_SECONDS: u8 = 51;
const SERVER: u8 = 54;
const WANTED: u8 = 55;
const CLASS: u8 = 60;
const FILE_NAME: u8 = 67;
const END: u8 = 255;

pub(in crate::lab) fn discover(transaction: u32, mac: Mac) -> Vec<u8> {
    build(transaction, mac, Ipv4Addr::UNSPECIFIED, &[(MESSAGE_TYPE, &[1])])
}

pub(in crate::lab) fn request(transaction: u32, offer: &Lease) -> Vec<u8> {
    let (address, server) = (offer.address.octets(), offer.server.octets());
    let options: &[(u8, &[u8])] =
        &[(MESSAGE_TYPE, &[3]), (REQUESTED_ADDRESS, &address), (SERVER, &server)];
    build(transaction, offer.mac, Ipv4Addr::UNSPECIFIED, options)
}

pub(in crate::lab) fn renew(transaction: u32, lease: &Lease) -> Vec<u8> {
    build(transaction, lease.mac, lease.address, &[(MESSAGE_TYPE, &[3])])
}

pub(in crate::lab) fn build(
    transaction: u32,
    mac: Mac,
    own: Ipv4Addr,
    options: &[(u8, &[u8])],
) -> Vec<u8> {
    let mut packet = vec![0; OPTIONS];
    packet[..3].copy_from_slice(&[1, 1, 6]);
    packet[4..8].copy_from_slice(&transaction.to_be_bytes());
    if own.is_unspecified() && mac[5].is_multiple_of(2) {
        // Every other client asks for broadcasts, as those do that cannot hear before they have an address.
        packet[10] = 0x80;
    }
    packet[12..16].copy_from_slice(&own.octets());
    packet[28..34].copy_from_slice(&mac);
    packet[236..240].copy_from_slice(&COOKIE);
    let name = name(mac);
    let always: [(u8, &[u8]); 2] =
        [(HOST_NAME, name.as_bytes()), (WANTED, &[SUBNET_MASK, 3, DNS_SERVERS, 15, LEASE_SECONDS])];
    for (code, value) in options.iter().copied().chain(always) {
        let length = u8::try_from(value.len()).expect("options here are short");
        packet.extend([code, length]);
        packet.extend(value);
    }
    packet.push(END);
    packet.resize(packet.len().max(SHORTEST), 0);
    packet
}

/// Names as machines have them; no two of a lab's have the same.
fn name([_, _, family, _, high, low]: Mac) -> String {
    const BIRDS: [&str; 8] =
        ["kestrel", "plover", "wren", "heron", "dunlin", "siskin", "osprey", "avocet"];
    let at = usize::from(u16::from_be_bytes([high, low]));
    format!("{}-{family}{:02}", BIRDS[at % BIRDS.len()], at / BIRDS.len() + 1)
}

/// What an Ethernet frame carries to port 68 over IPv4, if that is what it is.
pub(in crate::lab) fn in_frame(frame: &[u8]) -> Option<&[u8]> {
    let packet = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
    let header = usize::from(packet.first()? & 15) * 4;
    let udp = packet.get(header..).filter(|_| packet.get(9) == Some(&17))?;
    udp.get(8..).filter(|_| udp[2..4] == 68_u16.to_be_bytes())
}

/// None for what is no answer to a client.
pub(in crate::lab) fn parse(bytes: &[u8]) -> Option<Packet> {
    if bytes.len() < OPTIONS || bytes[0] != 2 || bytes[236..240] != COOKIE {
        return None;
    }
    let at = |from: usize| -> [u8; 4] { bytes[from..from + 4].try_into().expect("four bytes") };
    let mut kind = None;
    let mut lease = Lease {
        mac: bytes[28..34].try_into().expect("six bytes"),
        address: at(16).into(),
        server: Ipv4Addr::UNSPECIFIED,
        prefix: 32,
        dns: Vec::new(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
    let mut boot = Boot { file: text(&bytes[108..236]), ..Boot::default() };
    let mut rest = &bytes[OPTIONS..];
    while let [code, tail @ ..] = rest {
        match code {
            0 => {
                rest = tail;
                continue;
            }
            &END => break,
            _ => {}
        }
        let (length, tail) = tail.split_first()?;
        let (value, tail) = tail.split_at_checked((*length).into())?;
        rest = tail;
        let addresses =
            || value.chunks_exact(4).map(|it| Ipv4Addr::new(it[0], it[1], it[2], it[3]));
        match *code {
            MESSAGE_TYPE => {
                kind = match value {
                    [2] => Some(Kind::Offer),
                    [5] => Some(Kind::Ack),
                    [6] => Some(Kind::Nak),
                    _ => None,
                }
            }
            SERVER => lease.server = addresses().next()?,
            SUBNET_MASK => {
                let ones = u32::from(addresses().next()?).count_ones();
                lease.prefix = u8::try_from(ones).expect("at most 32");
            }
            DNS_SERVERS => lease.dns = addresses().collect(),
            LEASE_SECONDS => boot.lease_seconds = u32::from_be_bytes(value.try_into().ok()?),
            CLASS => boot.class = text(value),
            FILE_NAME => boot.file = text(value),
            _ => {}
        }
    }
    Some(Packet { kind: kind?, transaction: u32::from_be_bytes(at(4)), lease, boot })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_noise_is_not() {
        let mac = [2, 0, 0, 0, 0, 7];
        let mut answer = build(
            9,
            mac,
            Ipv4Addr::UNSPECIFIED,
            &[
                (MESSAGE_TYPE, &[5]),
                (SERVER, &[10, 0, 0, 1]),
                (SUBNET_MASK, &[255, 255, 255, 0]),
                (DNS_SERVERS, &[10, 0, 0, 2, 10, 0, 0, 3]),
                (FILE_NAME, b"a.efi\0"),
            ],
        );
        assert!(parse(&answer).is_none(), "a request is no answer");
        answer[0] = 2;
        answer[16..20].copy_from_slice(&[10, 0, 0, 77]);
        let packet = parse(&answer).unwrap();
        assert_eq!((packet.kind, packet.transaction), (Kind::Ack, 9));
        assert_eq!(
            packet.lease,
            Lease {
                mac,
                address: [10, 0, 0, 77].into(),
                server: [10, 0, 0, 1].into(),
                prefix: 24,
                dns: vec![[10, 0, 0, 2].into(), [10, 0, 0, 3].into()],
            }
        );
        assert_eq!(packet.boot, Boot { file: "a.efi".into(), ..Boot::default() });
        assert!(parse(&answer[..200]).is_none());
        assert!(parse(&answer[..242]).is_none(), "an option that is cut short");
    }
}
