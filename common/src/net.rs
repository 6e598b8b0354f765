use ipnet::IpNet;
use std::{fmt, net::IpAddr, str::FromStr};

use crate::Refusal;

/// An IP prefix with no host bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNet);

impl Cidr {
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.0.contains(&other.0) || other.0.contains(&self.0)
    }

    pub fn first(self) -> IpAddr {
        self.0.network()
    }

    pub fn net(self) -> IpNet {
        self.0
    }

    pub fn last(self) -> IpAddr {
        self.0.broadcast()
    }

    pub fn length(self) -> u8 {
        self.0.prefix_len()
    }

    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        IpNet::new(address, length).ok().map(|net| Self(net.trunc()))
    }

    /// This prefix and all that contain it.
    pub fn supernets(self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self), |cidr| cidr.0.supernet().map(Self))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Cidr {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let net: IpNet = text
            .parse()
            .map_err(|_| Refusal::new("must be a prefix such as 10.0.0.0/24 or 2001:db8::/64"))?;
        if net.addr() != net.network() {
            return Err(Refusal::new(format!("has host bits set; its network is {}", net.trunc())));
        }
        Ok(Self(net))
    }
}

/// An 802.1Q VLAN number; 0 is untagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VlanTag(u16);

impl VlanTag {
    pub const UNTAGGED: Self = Self(0);

    pub fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<u32> for VlanTag {
    type Error = Refusal;

    fn try_from(number: u32) -> Result<Self, Refusal> {
        match u16::try_from(number) {
            Ok(number @ 0..=4094) => Ok(Self(number)),
            _ => Err(Refusal::new("must be from 0 (untagged) to 4094")),
        }
    }
}

impl fmt::Display for VlanTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtu(u16);

impl Mtu {
    pub fn bytes(self) -> u16 {
        self.0
    }
}

/// 0 is what a client sends that has no opinion.
impl TryFrom<u32> for Mtu {
    type Error = Refusal;

    fn try_from(bytes: u32) -> Result<Self, Refusal> {
        match u16::try_from(bytes) {
            Ok(0) => Ok(Self(1500)),
            Ok(bytes @ 552..) => Ok(Self(bytes)),
            _ => Err(Refusal::new("must be from 552 to 65535 bytes")),
        }
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A name that can stand in a host name, a path and a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Name {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = !text.is_empty()
            && text.len() <= 63
            && text.chars().all(inner)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if good {
            Ok(Self(text.into()))
        } else {
            Err(Refusal::new("must be 1 to 63 lower-case letters, digits and inner hyphens"))
        }
    }
}

/// A domain name without a dot at its end; names that differ in case only are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

impl DomainName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DomainName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        crate::dhcp_options::value::domain(text).map(|name| Self(name.to_ascii_lowercase()))
    }
}

/// How dear a route is; lower is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric(u32);

impl Metric {
    pub fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Metric {
    type Error = Refusal;

    fn try_from(number: u32) -> Result<Self, Refusal> {
        if number <= 9999 { Ok(Self(number)) } else { Err(Refusal::new("must be from 0 to 9999")) }
    }
}

/// A 48-bit IEEE 802 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    pub const fn new(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Takes what people paste: `52:54:00:12:34:56`, `52-54-00-12-34-56`, `5254.0012.3456`, `525400123456`.
impl FromStr for MacAddr {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::new("must be a MAC address such as 52:54:00:12:34:56");
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
        if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut octets = [0; 6];
        for (octet, at) in octets.iter_mut().zip((0..12).step_by(2)) {
            *octet = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
        }
        if octets[0] & 1 == 1 {
            return Err(Refusal::new("is a group address; a machine has an individual one"));
        }
        Ok(Self(octets))
    }
}
