//! Real conversations, as they were seen on the wire: classic pcap files of Ethernet frames.

use std::net::Ipv4Addr;

pub struct Message {
    pub from_client: bool,
    pub broadcast: bool,
    pub payload: Vec<u8>,
}

pub struct Capture {
    pub name: &'static str,
    pub messages: Vec<Message>,
}

macro_rules! captures {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../packets/", $name, ".pcap")))),*]
    };
}

const FILES: &[(&str, &[u8])] = captures!(
    "aavmf-pxev4-arm64",
    "dhclient4-dora-initreboot-release",
    "dhcpcd4-dora",
    "ipxe-bios-e1000",
    "ovmf-httpv4",
    "ovmf-pxev4",
    "udhcpc-dora-renew-release",
);

pub fn all() -> Vec<Capture> {
    FILES.iter().map(|(name, file)| Capture { name, messages: messages(file) }).collect()
}

fn messages(file: &[u8]) -> Vec<Message> {
    const FILE_HEAD: usize = 24;
    const PACKET_HEAD: usize = 16;
    let (mut messages, mut rest) = (Vec::new(), &file[FILE_HEAD..]);
    while let Some((head, after)) = rest.split_at_checked(PACKET_HEAD) {
        let length = u32::from_le_bytes(head[8..12].try_into().unwrap());
        let (frame, after) = after.split_at(length as usize);
        messages.extend(message(frame));
        rest = after;
    }
    messages
}

/// The DHCPv4 message of a frame, if it has one.
fn message(frame: &[u8]) -> Option<Message> {
    let packet = frame[12..].strip_prefix(&[8, 0])?;
    let udp = &packet[usize::from(packet[0] & 15) * 4..];
    let port = u16::from_be_bytes([udp[0], udp[1]]);
    let broadcast = packet[16..20] == [255; 4];
    matches!(port, 67 | 68).then(|| Message {
        from_client: port == 68,
        broadcast,
        payload: udp[8..].to_vec(),
    })
}

impl Message {
    pub fn address(&self, at: usize) -> Ipv4Addr {
        <[u8; 4]>::try_from(&self.payload[at..at + 4]).unwrap().into()
    }
}
