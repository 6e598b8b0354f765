//! An option's value: what people write, and back. What is shown parses to the same value.

use ipnet::Ipv4Net;
use std::{fmt, net::Ipv4Addr, str::FromStr};

use super::ValueKind;
use crate::Refusal;

/// What one option can carry (RFC 2132 section 2): its length is one byte.
const LONGEST: usize = 255;

/// One option's value, of the kind that the catalogue gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    Address(Ipv4Addr),
    Addresses(Vec<Ipv4Addr>),
    Text(String),
    Byte(u8),
    Short(u16),
    Long(u32),
    SignedLong(i32),
    Flag(bool),
    Domains(Vec<String>),
    Routes(Vec<Route>),
    Bytes(Vec<u8>),
}

impl OptionValue {
    /// Reads a value of this kind; several are separated by commas.
    pub fn parse(kind: ValueKind, text: &str) -> Result<Self, Refusal> {
        match kind {
            ValueKind::Address => address(text).map(Self::Address),
            ValueKind::Addresses => several(text, LONGEST / 4, address).map(Self::Addresses),
            ValueKind::Text => plain(text).map(Self::Text),
            ValueKind::Byte => number(text, "0 to 255").map(Self::Byte),
            ValueKind::Short => number(text, "0 to 65535").map(Self::Short),
            ValueKind::Long => number(text, "0 to 4294967295").map(Self::Long),
            ValueKind::SignedLong => {
                number(text, "-2147483648 to 2147483647").map(Self::SignedLong)
            }
            ValueKind::Flag => flag(text).map(Self::Flag),
            ValueKind::Domains => several(text, LONGEST / 2, domain).map(Self::Domains),
            ValueKind::Routes => several(text, LONGEST / 5, str::parse).map(Self::Routes),
            ValueKind::Bytes => hexadecimal(text).map(Self::Bytes),
        }
    }

    pub fn kind(&self) -> ValueKind {
        match self {
            Self::Address(_) => ValueKind::Address,
            Self::Addresses(_) => ValueKind::Addresses,
            Self::Text(_) => ValueKind::Text,
            Self::Byte(_) => ValueKind::Byte,
            Self::Short(_) => ValueKind::Short,
            Self::Long(_) => ValueKind::Long,
            Self::SignedLong(_) => ValueKind::SignedLong,
            Self::Flag(_) => ValueKind::Flag,
            Self::Domains(_) => ValueKind::Domains,
            Self::Routes(_) => ValueKind::Routes,
            Self::Bytes(_) => ValueKind::Bytes,
        }
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Addresses(addresses) => join(f, addresses),
            Self::Text(text) => text.fmt(f),
            Self::Byte(number) => number.fmt(f),
            Self::Short(number) => number.fmt(f),
            Self::Long(number) => number.fmt(f),
            Self::SignedLong(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Domains(names) => join(f, names),
            Self::Routes(routes) => join(f, routes),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// One classless static route (RFC 3442); a router of 0.0.0.0 means "on this link".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    pub destination: Ipv4Net,
    pub router: Ipv4Addr,
}

/// `10.1.0.0/16=10.0.0.1`
impl FromStr for Route {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::new("must be DESTINATION=ROUTER, such as 10.1.0.0/16=10.0.0.1");
        let (destination, router) = text.split_once('=').ok_or_else(wrong)?;
        let destination: Ipv4Net = destination.trim().parse().map_err(|_| wrong())?;
        let router = router.trim().parse().map_err(|_| wrong())?;
        if destination.trunc() != destination {
            let network = destination.trunc();
            return Err(Refusal::new(format!("has host bits set; its network is {network}")));
        }
        Ok(Self { destination, router })
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.destination, self.router)
    }
}

fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

fn several<T>(
    text: &str,
    most: usize,
    one: impl Fn(&str) -> Result<T, Refusal>,
) -> Result<Vec<T>, Refusal> {
    let items = text.split(',').map(|item| one(item.trim())).collect::<Result<Vec<_>, _>>()?;
    if items.len() > most {
        return Err(Refusal::new(format!("must be at most {most}, separated by commas")));
    }
    Ok(items)
}

fn address(text: &str) -> Result<Ipv4Addr, Refusal> {
    text.trim().parse().map_err(|_| Refusal::new("must be an IPv4 address such as 10.0.0.1"))
}

fn number<T: FromStr>(text: &str, limits: &str) -> Result<T, Refusal> {
    text.trim().parse().map_err(|_| Refusal::new(format!("must be a number from {limits}")))
}

fn flag(text: &str) -> Result<bool, Refusal> {
    text.trim().parse().map_err(|_| Refusal::new("must be true or false"))
}

fn plain(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
        return Err(Refusal::new("must be 1 to 255 bytes of text without control characters"));
    }
    Ok(text.to_owned())
}

pub(crate) fn domain(text: &str) -> Result<String, Refusal> {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(Refusal::new("must be a domain name such as example.com"));
    }
    Ok(name.to_owned())
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, Refusal> {
    let wrong =
        || Refusal::new("must be 1 to 255 bytes as pairs of hexadecimal digits: 01ff or 01:ff");
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.is_empty() || pairs.len() > LONGEST || !rest.is_empty() {
        return Err(wrong());
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_parses_to_the_same_value() {
        use ValueKind::{
            Address, Addresses, Byte, Bytes, Domains, Flag, Long, Routes, Short, SignedLong, Text,
        };
        let rows = [
            (Address, " 10.0.0.1", "10.0.0.1"),
            (Addresses, "10.0.0.1,10.0.0.2 , 10.0.0.3", "10.0.0.1, 10.0.0.2, 10.0.0.3"),
            (Text, "a, b = c ", "a, b = c "),
            (Byte, "255", "255"),
            (Short, "65535", "65535"),
            (Long, "4294967295", "4294967295"),
            (SignedLong, "-3600", "-3600"),
            (Flag, "false", "false"),
            (Domains, "a.example.,_x.b-c", "a.example, _x.b-c"),
            (
                Routes,
                "10.1.0.0/16 = 10.0.0.1,0.0.0.0/0=0.0.0.0",
                "10.1.0.0/16=10.0.0.1, 0.0.0.0/0=0.0.0.0",
            ),
            (Bytes, "01:Ff00", "01ff00"),
        ];
        for (kind, text, shown) in rows {
            let value = OptionValue::parse(kind, text).unwrap();
            assert_eq!((value.kind(), value.to_string().as_str()), (kind, shown));
            assert_eq!(OptionValue::parse(kind, shown), Ok(value));
        }
    }

    #[test]
    fn a_value_that_breaks_its_rule_is_refused_with_the_rule() {
        use ValueKind::{Address, Addresses, Byte, Bytes, Domains, Flag, Routes, Short, Text};
        let (long, many) = ("x".repeat(256), vec!["10.0.0.1"; 64].join(","));
        let rows: &[(ValueKind, &str, &str)] = &[
            (Address, "10.0.0", "an IPv4 address"),
            (Addresses, "", "an IPv4 address"),
            (Addresses, "10.0.0.1,,", "an IPv4 address"),
            (Addresses, &many, "at most 63"),
            (Text, "", "1 to 255 bytes"),
            (Text, &long, "1 to 255 bytes"),
            (Text, "a\nb", "control characters"),
            (Byte, "256", "0 to 255"),
            (Short, "-1", "0 to 65535"),
            (Flag, "maybe", "true or false"),
            (Domains, "a..b", "a domain name"),
            (Domains, "-a.b", "a domain name"),
            (Routes, "10.1.0.0/16", "DESTINATION=ROUTER"),
            (Routes, "10.1.0.1/16=10.0.0.1", "10.1.0.0/16"),
            (Bytes, "", "hexadecimal"),
            (Bytes, "012", "hexadecimal"),
            (Bytes, "0g", "hexadecimal"),
        ];
        for (kind, text, rule) in rows {
            let refusal = OptionValue::parse(*kind, text).unwrap_err();
            assert!(refusal.0.contains(rule), "{kind:?} {text:?}: {}", refusal.0);
        }
    }
}
