//! Ethernet, IPv4 and UDP heads for a client that cannot answer ARP for the address that it is being given (RFC 2131 section 4.1).

use engine::output::{Send as Reply, To};
use std::net::Ipv4Addr;

use super::dhcp_socket::{CLIENT_PORT, SERVER_PORT};

const ETHERNET: usize = 14;
const IP: usize = 20;
const UDP: usize = 8;
pub(super) const FRAME_HEAD: usize = ETHERNET + IP + UDP;
const PROTOCOL_UDP: u8 = 17;

/// What stands before the payload of a frame.
pub(super) fn frame_head(
    source: [u8; 6],
    reply: &Reply,
    payload: &[u8],
    identification: u16,
) -> [u8; FRAME_HEAD] {
    let (mac, address) = match reply.to {
        To::Hardware { mac, address } => (mac, address),
        To::Broadcast | To::Unicast(_) => ([0xff; 6], Ipv4Addr::BROADCAST),
    };
    let mut head = [0; FRAME_HEAD];
    head[0..6].copy_from_slice(&mac);
    head[6..12].copy_from_slice(&source);
    head[12..14].copy_from_slice(&[0x08, 0x00]);
    // A reply has at most 1,500 bytes.
    let udp_length = (UDP + payload.len()) as u16;
    let (ip, udp) = head[ETHERNET..].split_at_mut(IP);
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&(IP as u16 + udp_length).to_be_bytes());
    ip[4..6].copy_from_slice(&identification.to_be_bytes());
    ip[8] = 64;
    ip[9] = PROTOCOL_UDP;
    ip[12..16].copy_from_slice(&reply.from.octets());
    ip[16..20].copy_from_slice(&address.octets());
    let checksum = !fold(sum(ip));
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    udp[0..2].copy_from_slice(&SERVER_PORT.to_be_bytes());
    udp[2..4].copy_from_slice(&CLIENT_PORT.to_be_bytes());
    udp[4..6].copy_from_slice(&udp_length.to_be_bytes());
    let pseudo = u32::from(PROTOCOL_UDP) + u32::from(udp_length) + sum(&ip[12..20]);
    let checksum = match !fold(pseudo + sum(udp) + sum(payload)) {
        // Zero would say that there is none (RFC 768).
        0 => u16::MAX,
        checksum => checksum,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    head
}

/// Of 16-bit words, the last one padded with zeroes (RFC 1071).
fn sum(bytes: &[u8]) -> u32 {
    let (words, last) = bytes.as_chunks::<2>();
    let words: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    words + last.first().map_or(0, |last| u32::from(*last) << 8)
}

fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::output::Link;

    /// As a receiver checks it: over what was sent, checksum included, the sum is all ones.
    #[test]
    fn a_frame_holds_its_checksums() {
        for payload in [vec![], vec![1], vec![2; 300], (0..=255).collect::<Vec<u8>>()] {
            let address = Ipv4Addr::new(10, 0, 0, 77);
            let mac = [2, 0, 0, 0, 0, 9];
            let to = To::Hardware { mac, address };
            let from = Ipv4Addr::new(10, 0, 0, 1);
            let reply = Reply { link: Link(0), from, to, start: 0, len: 0 };
            let head = frame_head([2, 0, 0, 0, 0, 1], &reply, &payload, 7);
            assert_eq!(head[..14], [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0]);
            let (ip, udp) = head[ETHERNET..].split_at(IP);
            assert_eq!(fold(sum(ip)), u16::MAX);
            assert_eq!(usize::from(u16::from_be_bytes([ip[2], ip[3]])), IP + UDP + payload.len());
            assert_eq!((&ip[12..16], &ip[16..20]), (&from.octets()[..], &address.octets()[..]));
            assert_eq!(udp[..4], [0, 67, 0, 68]);
            let length = u32::from(u16::from_be_bytes([udp[4], udp[5]]));
            let pseudo = sum(&ip[12..20]) + u32::from(PROTOCOL_UDP) + length;
            assert_eq!(fold(pseudo + sum(udp) + sum(&payload)), u16::MAX, "{}", payload.len());
        }
    }

    #[test]
    fn checksums_fold_their_carries() {
        for (bytes, expected) in [
            (vec![], 0),
            (vec![0x12, 0x34], 0x1234),
            (vec![0xff, 0xff, 0x00, 0x02], 0x0002),
            (vec![0x12], 0x1200),
            // The example of RFC 1071 section 3.
            (vec![0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0xddf2),
        ] {
            assert_eq!(fold(sum(&bytes)), expected, "{bytes:02x?}");
        }
    }
}
