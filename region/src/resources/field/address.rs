//! Addresses and prefixes, stored so that the order of the bytes is the order of the addresses on both databases.

use common::{Cidr, Refusal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Field, Lookup};
use crate::db::names::Names;

/// 16 bytes in network order, IPv4 mapped.
pub fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .octets()
    .to_vec()
}

/// 17 bytes: the first address, then the prefix length (of IPv4, counted from the mapped address's 96). Sorts as people read prefixes.
pub fn cidr_bytes(cidr: Cidr) -> Vec<u8> {
    let mut bytes = address_bytes(cidr.first());
    bytes.push(if cidr.first().is_ipv4() { cidr.length() + 96 } else { cidr.length() });
    bytes
}

pub(super) fn parse(text: &str) -> Result<IpAddr, Refusal> {
    let address: IpAddr =
        text.trim().parse().map_err(|_| Refusal::new("must be an IP address such as 10.0.0.1"))?;
    if is_mapped(address) {
        return Err(Refusal::new("must be written as the IPv4 address that it is"));
    }
    Ok(address)
}

/// Stored alike, it would come back as the IPv4 address that it stands for.
fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some())
}

fn load(bytes: &[u8]) -> Result<IpAddr, String> {
    let bytes: [u8; 16] =
        bytes.try_into().map_err(|_| format!("an address of {} bytes", bytes.len()))?;
    Ok(Ipv6Addr::from(bytes).to_canonical())
}

impl Field for Cidr {
    type Wire = String;
    type Column = Vec<u8>;
    fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        let cidr: Self = wire.parse()?;
        if is_mapped(cidr.first()) {
            return Err(Refusal::new("must be written as the IPv4 prefix that it is"));
        }
        Ok(cidr)
    }
    fn show(&self, _: &Names) -> String {
        self.to_string()
    }
    fn store(&self) -> Vec<u8> {
        cidr_bytes(*self)
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        let (length, first) = column.split_last().ok_or("an empty prefix")?;
        let first = load(first)?;
        let length =
            if first.is_ipv4() { length.checked_sub(96).ok_or("a short prefix")? } else { *length };
        Self::new(first, length).ok_or_else(|| format!("prefix length {length}"))
    }
}

impl Field for IpAddr {
    type Wire = String;
    type Column = Vec<u8>;
    fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        parse(&wire)
    }
    fn show(&self, _: &Names) -> String {
        self.to_string()
    }
    fn store(&self) -> Vec<u8> {
        address_bytes(*self)
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        load(&column)
    }
}

/// Empty rather than NULL, so that it sorts alike on both databases.
impl Field for Option<IpAddr> {
    type Wire = String;
    type Column = Vec<u8>;
    fn parse(wire: String, _: &mut Lookup<'_>) -> Result<Self, Refusal> {
        if wire.is_empty() { Ok(None) } else { parse(&wire).map(Some) }
    }
    fn show(&self, _: &Names) -> String {
        self.map(|address| address.to_string()).unwrap_or_default()
    }
    fn store(&self) -> Vec<u8> {
        self.map(address_bytes).unwrap_or_default()
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        if column.is_empty() { Ok(None) } else { load(&column).map(Some) }
    }
}

/// Empty when there is none.
impl Field for Option<Ipv4Addr> {
    type Wire = String;
    type Column = Vec<u8>;
    fn parse(wire: String, lookup: &mut Lookup<'_>) -> Result<Self, Refusal> {
        match Option::<IpAddr>::parse(wire, lookup)? {
            Some(IpAddr::V4(address)) => Ok(Some(address)),
            Some(IpAddr::V6(_)) => Err(Refusal::new("must be an IPv4 address")),
            None => Ok(None),
        }
    }
    fn show(&self, names: &Names) -> String {
        self.map(IpAddr::V4).show(names)
    }
    fn store(&self) -> Vec<u8> {
        self.map(IpAddr::V4).store()
    }
    fn load(column: Vec<u8>) -> Result<Self, String> {
        match Option::<IpAddr>::load(column)? {
            Some(IpAddr::V6(address)) => Err(format!("{address} is no IPv4 address")),
            Some(IpAddr::V4(address)) => Ok(Some(address)),
            None => Ok(None),
        }
    }
}
