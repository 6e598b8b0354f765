//! A server's reply, read by other code than that which wrote it.

use std::net::Ipv4Addr;

use dhcproto::{
    Decodable, Decoder,
    v4::{Message, MessageType, Opcode},
};

use super::packet::{Packet, XID};

#[derive(Debug)]
pub struct Reply {
    pub message: Message,
    /// As they stand in the packet, up to the end.
    pub options: Vec<(u8, Vec<u8>)>,
    pub length: usize,
}

pub fn read(bytes: &[u8]) -> Reply {
    let message = Message::decode(&mut Decoder::new(bytes)).unwrap();
    assert_eq!(bytes[236..240], [99, 130, 83, 99]);
    let (mut options, mut rest) = (Vec::new(), &bytes[240..]);
    while let [code, length, after @ ..] = rest
        && *code != 255
    {
        let (value, after) = after.split_at(usize::from(*length));
        options.push((*code, value.to_vec()));
        rest = after;
    }
    assert!(rest[0] == 255 && rest[1..].iter().all(|pad| *pad == 0), "an end, then padding");
    Reply { message, options, length: bytes.len() }
}

impl Reply {
    pub fn kind(&self) -> MessageType {
        self.message.opts().msg_type().unwrap()
    }

    pub fn address(&self) -> Ipv4Addr {
        self.message.yiaddr()
    }

    pub fn server(&self) -> Ipv4Addr {
        <[u8; 4]>::try_from(self.option(54).unwrap()).unwrap().into()
    }

    pub fn codes(&self) -> Vec<u8> {
        self.options.iter().map(|(code, _)| *code).collect()
    }

    pub fn summary(&self) -> String {
        let kind = format!("{:?}", self.kind()).to_lowercase();
        let address = self.address();
        if address.is_unspecified() { kind } else { format!("{kind} {address}") }
    }

    pub fn shown(&self, codes: &[u8]) -> String {
        let show = |code: &u8| {
            let values = self.options.iter().filter(|(other, _)| other == code);
            let hex = values.flat_map(|(_, value)| value).map(|byte| format!("{byte:02x}"));
            format!(" {code}={}", hex.collect::<String>())
        };
        codes.iter().map(show).collect()
    }

    /// What every reply owes to its request (RFC 2131 section 4.3.1, RFC 3046 section 2.2, RFC 6842).
    pub fn answers(&self, packet: &Packet) -> bool {
        let message = &self.message;
        let nak = self.kind() == MessageType::Nak;
        let relayed = !packet.giaddr.is_unspecified();
        let echoes = |code| self.option(code) == packet.option(code);
        let largest = packet
            .option(57)
            .map_or(576, |size| u16::from_be_bytes(size.try_into().unwrap()).clamp(576, 1500));
        message.opcode() == Opcode::BootReply
            && message.xid() == u32::from_be_bytes(XID)
            && message.chaddr() == &packet.mac()[..packet.hardware_length.min(6).into()]
            && message.giaddr() == packet.giaddr
            && (message.hops(), message.secs()) == (0, 0)
            && message.flags().broadcast() == (packet.broadcast || nak && relayed)
            && (300..=usize::from(largest) - 28).contains(&self.length)
            && self.option(54).is_some()
            && echoes(61)
            && echoes(82)
            && (packet.option(82).is_none() || self.options.last().is_some_and(|last| last.0 == 82))
            && (!nak || message.ciaddr().is_unspecified() && self.option(51).is_none())
    }

    fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == code).map(|(_, value)| value.as_slice())
    }
}
