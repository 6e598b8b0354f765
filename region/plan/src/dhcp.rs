//! What subnets and reservations tell DHCP clients alike.

use common::{
    Cidr, Objection, Refusal,
    dhcp_options::{self, OptionValue, ValueKind},
};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

/// `NAME=VALUE` of the catalogue, kept as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionSetting {
    text: String,
    code: u8,
    value: OptionValue,
}

impl OptionSetting {
    pub fn code(&self) -> u8 {
        self.code
    }

    pub fn value(&self) -> &OptionValue {
        &self.value
    }
}

impl FromStr for OptionSetting {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| Refusal::new("must be NAME=VALUE, such as tz-name=Europe/Paris"))?;
        let (code, value) = dhcp_options::parse(name.trim(), value.trim())?;
        Ok(Self { text: text.to_owned(), code, value })
    }
}

impl fmt::Display for OptionSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Bytes that people read and write as hexadecimal digits; none is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Octets(Vec<u8>);

impl Octets {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Octets {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let OptionValue::Bytes(bytes) = OptionValue::parse(ValueKind::Bytes, text)? else {
            return Err(Refusal::new("must be bytes"));
        };
        Ok(Self(bytes))
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a machine that boots from the network fetches; none is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootFile(String);

impl BootFile {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BootFile {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.len() > 127 {
            return Err(Refusal::new("must be at most 127 bytes (RFC 2131 section 2)"));
        }
        if text.chars().any(char::is_control) {
            return Err(Refusal::new("must not have control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(crate) fn judge_options(options: &[OptionSetting], objections: &mut Vec<Objection>) {
    for (at, option) in options.iter().enumerate() {
        if options[..at].iter().any(|other| other.code == option.code) {
            objections.push(Objection::new("options", option, "is the same option once more"));
        }
    }
}

pub(crate) fn judge_next_server(server: Option<Ipv4Addr>, objections: &mut Vec<Objection>) {
    if let Some(server) = server.filter(|server| !is_host((*server).into())) {
        objections.push(Objection::new("next_server", server, NOT_ONE_HOST));
    }
}

pub(crate) const NOT_ONE_HOST: &str = "must be one host's address";

/// Whether one machine may be meant.
pub(crate) fn is_host(address: IpAddr) -> bool {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// Why no machine of this prefix can have this address.
pub(crate) fn not_for_a_machine(cidr: Cidr, address: IpAddr) -> Option<String> {
    if !cidr.contains(address) {
        return Some(format!("must be inside {cidr}"));
    }
    // Of two addresses or one, all are machines' own (RFC 3021).
    let ends = if address.is_ipv4() { cidr.length() < 31 } else { cidr.length() < 127 };
    if ends && address == cidr.first() {
        return Some("is the network's own address".into());
    }
    (ends && address.is_ipv4() && address == cidr.last()).then(|| "is the broadcast address".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_read_with_and_without_colons() {
        for (text, expected) in [
            ("01525400123456", Some("01525400123456")),
            ("01:52:54:00", Some("01525400")),
            ("", Some("")),
            ("0", None),
            ("0g", None),
            ("é0", None),
        ] {
            let read = text.parse::<Octets>().ok().map(|octets| octets.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        assert!("00".repeat(256).parse::<Octets>().is_err());
    }

    #[test]
    fn a_machine_has_an_address_between_the_ends() {
        for (cidr, address, allowed) in [
            ("10.0.0.0/24", "10.0.0.1", true),
            ("10.0.0.0/24", "10.0.0.0", false),
            ("10.0.0.0/24", "10.0.0.255", false),
            ("10.0.0.0/24", "10.0.1.1", false),
            ("10.0.0.0/31", "10.0.0.0", true),
            ("10.0.0.7/32", "10.0.0.7", true),
            ("2001:db8::/64", "2001:db8::", false),
            ("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", true),
        ] {
            let reason = not_for_a_machine(cidr.parse().unwrap(), address.parse().unwrap());
            assert_eq!(reason.is_none(), allowed, "{cidr} {address}");
        }
    }

    #[test]
    fn an_option_is_one_of_the_catalogue_that_operators_set() {
        for (text, code) in
            [("tz-name=Europe/Paris", Some(101)), ("lease-time=5", None), ("tz-name", None)]
        {
            let setting = text.parse::<OptionSetting>();
            assert_eq!(setting.as_ref().ok().map(OptionSetting::code), code, "{text}");
            assert!(setting.is_err() || setting.unwrap().to_string() == text);
        }
    }
}
