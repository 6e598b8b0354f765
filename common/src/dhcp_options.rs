//! The catalogue of DHCPv4 options: a row says how an option is named, what its value is and who may set it. Region checks by it, the engine encodes by
//! it, CLI and pages list it. A new option is a row here.

pub(crate) mod value;

pub use value::{OptionValue, Route};

use std::collections::BTreeMap;

use crate::Refusal;

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Address,
    Addresses,
    Text,
    /// 8 bits.
    Byte,
    /// 16 bits.
    Short,
    /// 32 bits.
    Long,
    /// 32 bits with a sign.
    SignedLong,
    Flag,
    /// Domain names, compressed (RFC 1035, RFC 3397).
    Domains,
    /// Destinations with their routers (RFC 3442).
    Routes,
    /// Written as hexadecimal digits.
    Bytes,
}

/// Who gives an option its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `options` of a subnet or reservation.
    Free,
    /// A field of its own; the name of that field.
    Field(&'static str),
    /// Calculated for each reply; never set.
    Computed,
}

pub struct DhcpOption {
    pub code: u8,
    pub name: &'static str,
    pub kind: ValueKind,
    pub source: Source,
    pub rfc: &'static str,
}

const fn row(
    code: u8,
    name: &'static str,
    kind: ValueKind,
    source: Source,
    rfc: &'static str,
) -> DhcpOption {
    DhcpOption { code, name, kind, source, rfc }
}

use Source::{Computed, Field, Free};
use ValueKind::{
    Address, Addresses, Byte, Bytes, Domains, Flag, Long, Routes, Short, SignedLong, Text,
};

/// In order of code.
pub static CATALOGUE: &[DhcpOption] = &[
    row(1, "subnet-mask", Address, Computed, "RFC 2132 3.3"),
    row(2, "time-offset", SignedLong, Free, "RFC 2132 3.4"),
    row(3, "routers", Addresses, Field("gateway"), "RFC 2132 3.5"),
    row(4, "time-servers", Addresses, Free, "RFC 2132 3.6"),
    row(6, "domain-name-servers", Addresses, Field("dns_servers"), "RFC 2132 3.8"),
    row(7, "log-servers", Addresses, Free, "RFC 2132 3.9"),
    row(9, "lpr-servers", Addresses, Free, "RFC 2132 3.11"),
    row(12, "host-name", Text, Computed, "RFC 2132 3.14"),
    row(13, "boot-size", Short, Free, "RFC 2132 3.15"),
    row(15, "domain-name", Text, Field("domain"), "RFC 2132 3.17"),
    row(16, "swap-server", Address, Free, "RFC 2132 3.18"),
    row(17, "root-path", Text, Free, "RFC 2132 3.19"),
    row(19, "ip-forwarding", Flag, Free, "RFC 2132 4.1"),
    row(23, "default-ip-ttl", Byte, Free, "RFC 2132 4.5"),
    row(26, "interface-mtu", Short, Field("mtu"), "RFC 2132 5.1"),
    row(28, "broadcast-address", Address, Computed, "RFC 2132 5.3"),
    row(40, "nis-domain", Text, Free, "RFC 2132 8.1"),
    row(41, "nis-servers", Addresses, Free, "RFC 2132 8.2"),
    row(42, "ntp-servers", Addresses, Field("ntp_servers"), "RFC 2132 8.3"),
    row(43, "vendor-encapsulated-options", Bytes, Free, "RFC 2132 8.4"),
    row(44, "netbios-name-servers", Addresses, Free, "RFC 2132 8.5"),
    row(46, "netbios-node-type", Byte, Free, "RFC 2132 8.7"),
    row(51, "lease-time", Long, Computed, "RFC 2132 9.2"),
    row(53, "message-type", Byte, Computed, "RFC 2132 9.6"),
    row(54, "server-identifier", Address, Computed, "RFC 2132 9.7"),
    row(58, "renewal-time", Long, Computed, "RFC 2132 9.11"),
    row(59, "rebinding-time", Long, Computed, "RFC 2132 9.12"),
    row(61, "client-identifier", Bytes, Computed, "RFC 2132 9.14, RFC 6842"),
    row(66, "tftp-server-name", Text, Field("next_server"), "RFC 2132 9.4"),
    row(67, "boot-file-name", Text, Field("boot_file"), "RFC 2132 9.5"),
    row(69, "smtp-servers", Addresses, Free, "RFC 2132 8.10"),
    row(72, "www-servers", Addresses, Free, "RFC 2132 8.13"),
    row(82, "relay-agent-information", Bytes, Computed, "RFC 3046"),
    row(100, "tz-posix", Text, Free, "RFC 4833"),
    row(101, "tz-name", Text, Free, "RFC 4833"),
    row(108, "ipv6-only-preferred", Long, Free, "RFC 8925"),
    row(114, "captive-portal", Text, Free, "RFC 8910"),
    row(119, "domain-search", Domains, Field("search"), "RFC 3397"),
    row(121, "classless-static-routes", Routes, Field("routes"), "RFC 3442"),
    row(138, "capwap-controllers", Addresses, Free, "RFC 5417"),
    row(150, "tftp-server-addresses", Addresses, Free, "RFC 5859"),
    row(209, "pxelinux-config-file", Text, Free, "RFC 5071"),
    row(210, "pxelinux-path-prefix", Text, Free, "RFC 5071"),
    row(211, "pxelinux-reboot-time", Long, Free, "RFC 5071"),
];

pub fn by_code(code: u8) -> Option<&'static DhcpOption> {
    CATALOGUE.binary_search_by_key(&code, |row| row.code).ok().map(|at| &CATALOGUE[at])
}

pub fn by_name(name: &str) -> Option<&'static DhcpOption> {
    CATALOGUE.iter().find(|row| row.name == name)
}

/// Options by code, each at most once.
pub type OptionSet = BTreeMap<u8, OptionValue>;

/// The row of an option that is named by name or by code.
pub fn find(name_or_code: &str) -> Result<&'static DhcpOption, Refusal> {
    let row = match name_or_code.parse() {
        Ok(code) => by_code(code),
        Err(_) => by_name(name_or_code),
    };
    row.ok_or_else(|| Refusal::new("is no option of the catalogue, by name or by code"))
}

/// An option that an operator sets freely; one that is computed, or has a field of its own, is refused.
pub fn parse(name_or_code: &str, text: &str) -> Result<(u8, OptionValue), Refusal> {
    let row = find(name_or_code)?;
    match row.source {
        Free => Ok((row.code, OptionValue::parse(row.kind, text)?)),
        Field(field) => Err(Refusal::new(format!("{} is set by the field {field}", row.name))),
        Computed => {
            Err(Refusal::new(format!("{} is computed for each reply; it cannot be set", row.name)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_in_order_and_names_each_option_once() {
        assert!(CATALOGUE.windows(2).all(|pair| pair[0].code < pair[1].code));
        for row in CATALOGUE {
            assert_eq!(by_name(row.name).map(|found| found.code), Some(row.code));
        }
    }

    #[test]
    fn options_are_set_by_name_or_code_and_only_where_they_are_free() {
        let rows = [
            ("root-path", "/srv", Ok((17, OptionValue::Text("/srv".into())))),
            ("17", "/srv", Ok((17, OptionValue::Text("/srv".into())))),
            ("6", "10.0.0.1", Err("dns_servers")),
            ("routers", "10.0.0.1", Err("gateway")),
            ("51", "60", Err("computed")),
            ("lease-time", "60", Err("computed")),
            ("54", "10.0.0.1", Err("computed")),
            ("58", "60", Err("computed")),
            ("rebinding-time", "60", Err("computed")),
            ("999", "1", Err("no option")),
            ("rout", "1", Err("no option")),
            ("boot-size", "x", Err("number")),
        ];
        for (name, text, expected) in rows {
            match (parse(name, text), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(refusal), Err(part)) => assert!(refusal.0.contains(part), "{}", refusal.0),
                (got, _) => panic!("{name}={text}: {got:?}"),
            }
        }
    }
}
