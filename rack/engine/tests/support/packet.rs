//! A client's packet in a line: `discover 7 requested=10.0.0.9 want=1,3`; the number makes its MAC address.

use std::net::{Ipv4Addr, SocketAddrV4};

use engine::output::{Datagram, Link};

#[derive(Clone, Debug)]
pub struct Packet {
    pub kind: u8,
    pub client: u32,
    pub hardware_length: u8,
    pub broadcast: bool,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub options: Vec<(u8, Vec<u8>)>,
    pub sname: Vec<u8>,
    pub file: Vec<u8>,
    pub link: u16,
    pub source: Ipv4Addr,
    pub local: Option<Ipv4Addr>,
    /// Options of the reply to be shown.
    pub show: Vec<u8>,
}

pub const XID: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];

pub fn mac(client: u32) -> [u8; 6] {
    let [a, b, c, d] = client.to_be_bytes();
    [2, 0, a, b, c, d]
}

pub fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

impl Packet {
    pub fn new(kind: u8, client: u32) -> Self {
        Self {
            kind,
            client,
            hardware_length: 6,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            options: if kind > 0 { vec![(53, vec![kind])] } else { Vec::new() },
            sname: Vec::new(),
            file: Vec::new(),
            link: 0,
            source: Ipv4Addr::UNSPECIFIED,
            local: None,
            show: Vec::new(),
        }
    }

    pub fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let kind = match words.next().unwrap() {
            "discover" => 1,
            "offer" => 2,
            "request" => 3,
            "decline" => 4,
            "release" => 7,
            "inform" => 8,
            "bootp" => 0,
            other => panic!("no message is called {other}"),
        };
        let mut packet = Self::new(kind, words.next().unwrap().parse().unwrap());
        words.for_each(|word| packet.set(word));
        packet
    }

    /// `OPTION=hex` by number, or one of the names below.
    fn set(&mut self, word: &str) {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let address = || value.parse::<Ipv4Addr>().unwrap();
        let octets = || address().octets().to_vec();
        let numbers = || value.split(',').map(|code| code.parse().unwrap()).collect::<Vec<u8>>();
        match key {
            "broadcast" => self.broadcast = true,
            "ciaddr" => self.ciaddr = address(),
            "giaddr" => {
                self.giaddr = address();
                self.local = self.local.or(Some(Ipv4Addr::new(10, 0, 0, 1)));
            }
            "local" => self.local = Some(address()),
            "source" => self.source = address(),
            "link" => self.link = value.parse().unwrap(),
            "hlen" => self.hardware_length = value.parse().unwrap(),
            "requested" => self.options.push((50, octets())),
            "server" => self.options.push((54, octets())),
            "subnet" => self.options.push((118, octets())),
            "selection" => self.options.push((82, [vec![5, 4], octets()].concat())),
            "lease" => self.options.push((51, value.parse::<u32>().unwrap().to_be_bytes().into())),
            "largest" => {
                self.options.push((57, value.parse::<u16>().unwrap().to_be_bytes().into()))
            }
            "name" => self.options.push((12, value.into())),
            "id" => self.options.push((61, hex(value))),
            "want" => self.options.push((55, numbers())),
            "show" => self.show = numbers(),
            "class" => self.options.push((60, value.into())),
            "user" => self.options.push((77, value.into())),
            // firmware; the loader that it starts
            "pxe" => self.options.extend([(60, b"PXEClient".to_vec()), (93, vec![0, 7])]),
            "ipxe" => {
                let identifier = [&[1], &self.mac()[..]].concat();
                self.options.extend([(77, b"iPXE".to_vec()), (93, vec![0, 7]), (61, identifier)]);
            }
            "sname" => self.sname = hex(value),
            "file" => self.file = hex(value),
            code => self.options.push((code.parse().unwrap(), hex(value))),
        }
    }

    pub fn mac(&self) -> [u8; 6] {
        mac(self.client)
    }

    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == code).map(|(_, value)| value.as_slice())
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 240];
        bytes[0..3].copy_from_slice(&[1, 1, self.hardware_length]);
        bytes[4..8].copy_from_slice(&XID);
        bytes[10] = if self.broadcast { 0x80 } else { 0 };
        bytes[12..16].copy_from_slice(&self.ciaddr.octets());
        bytes[24..28].copy_from_slice(&self.giaddr.octets());
        let hardware = usize::from(self.hardware_length.min(6));
        bytes[28..28 + hardware].copy_from_slice(&self.mac()[..hardware]);
        bytes[44..44 + self.sname.len()].copy_from_slice(&self.sname);
        bytes[108..108 + self.file.len()].copy_from_slice(&self.file);
        bytes[236..240].copy_from_slice(&[99, 130, 83, 99]);
        for (code, value) in &self.options {
            bytes.extend_from_slice(&[*code, u8::try_from(value.len()).unwrap()]);
            bytes.extend_from_slice(value);
        }
        bytes.push(255);
        bytes
    }

    pub fn datagram<'a>(&self, payload: &'a [u8]) -> Datagram<'a> {
        let port = if self.giaddr.is_unspecified() { 68 } else { 67 };
        let source = SocketAddrV4::new(self.source, port);
        Datagram { link: Link(self.link), source, local: self.local, payload }
    }
}
