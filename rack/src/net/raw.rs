//! Ethernet, IPv4 and UDP heads for a client that cannot answer ARP for the address that it is being given (RFC 2131 section 4.1).

use engine::output::{Send as Reply, To};
use std::net::Ipv4Addr;

use super::dhcp_socket::{CLIENT_PORT, DhcpSocket, SERVER_PORT};

const ETHERNET: usize = 14;
const IP: usize = 20;
const UDP: usize = 8;
pub(super) const FRAME_HEAD: usize = ETHERNET + IP + UDP;
const PROTOCOL_UDP: u8 = 17;

/// What stands before the payload of a frame.
pub(super) fn frame_head(
    socket: &DhcpSocket,
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
    head[6..12].copy_from_slice(&socket.interface.mac.unwrap_or_default());
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
