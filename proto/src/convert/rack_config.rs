//! What a rack should be doing.

use common::{
    IpRange, Lifetime, Objection, RangeSet,
    dhcp_options::{self, OptionSet, OptionValue},
    generation::Digest,
    rack_config::{
        ClientMatch, DhcpSubnet, DhcpVlan, Reservation, Role, ScopeConfig, boot::Architecture,
    },
};
use prost::Message;
use sha2::Digest as _;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use super::{
    boot_config,
    path::{Reading, Refused},
};
use crate::v1::{self, scope_config::Scope};

/// Of a scope's content as encoded; the generation is not part of it.
pub fn digest(content: &[u8]) -> Digest {
    sha2::Sha256::digest(content).into()
}

/// The content of a scope as it crosses the link and lies on the rack's disk.
pub fn encode(config: &ScopeConfig) -> Vec<u8> {
    scope_to_wire(config).encode_to_vec()
}

pub fn decode(content: &[u8]) -> Result<ScopeConfig, Refused> {
    let wire = v1::ScopeConfig::decode(content).map_err(|error| {
        Refused::one("content", format!("{} bytes", content.len()), error.to_string())
    })?;
    scope_from_wire(&wire)
}

pub fn scope_to_wire(config: &ScopeConfig) -> v1::ScopeConfig {
    let scope = match config {
        ScopeConfig::Dhcp(vlan) => Scope::Dhcp(dhcp_to_wire(vlan)),
        ScopeConfig::Boot(boot) => Scope::Boot(boot_config::to_wire(boot)),
    };
    v1::ScopeConfig { scope: Some(scope) }
}

/// A scope of a kind that this version does not know is refused, never guessed at.
pub fn scope_from_wire(wire: &v1::ScopeConfig) -> Result<ScopeConfig, Refused> {
    match &wire.scope {
        Some(Scope::Dhcp(vlan)) => dhcp_from_wire(vlan).map(ScopeConfig::Dhcp),
        Some(Scope::Boot(boot)) => boot_config::from_wire(boot).map(ScopeConfig::Boot),
        None => Err(Refused::one("scope", "", "is of no kind that this version knows")),
    }
}

fn dhcp_to_wire(vlan: &DhcpVlan) -> v1::DhcpVlan {
    let role = match vlan.role {
        Role::Primary => v1::RackRole::Primary,
        Role::Secondary => v1::RackRole::Secondary,
    };
    v1::DhcpVlan {
        id: vlan.vlan.to_string(),
        name: vlan.name.clone(),
        role: role.into(),
        subnets: vlan.subnets().iter().map(subnet_to_wire).collect(),
        proxy: vlan.proxy,
    }
}

fn subnet_to_wire(subnet: &DhcpSubnet) -> v1::DhcpSubnet {
    let range = |range: &IpRange| v1::AddressRange {
        first: range.first().to_string(),
        last: range.last().to_string(),
    };
    v1::DhcpSubnet {
        id: subnet.id.to_string(),
        prefix: subnet.prefix.to_string(),
        ranges: subnet.dynamic.ranges().iter().map(range).collect(),
        reservations: subnet.reservations.iter().map(reservation_to_wire).collect(),
        lease_seconds: subnet.lease.seconds(),
        options: options_to_wire(&subnet.options),
        next_server: shown(subnet.next_server),
        boot_file: subnet.boot_file.clone(),
        disabled_boot_architectures: subnet.disabled_boot.iter().map(ToString::to_string).collect(),
    }
}

fn reservation_to_wire(reservation: &Reservation) -> v1::DhcpReservation {
    let (mac, client_id) = match &reservation.client {
        ClientMatch::Mac(mac) => (mac.to_string(), String::new()),
        ClientMatch::Identifier(bytes) => (String::new(), hex(bytes)),
    };
    v1::DhcpReservation {
        address: reservation.address.to_string(),
        mac,
        client_id,
        host_name: reservation.host_name.as_ref().map(ToString::to_string).unwrap_or_default(),
        options: options_to_wire(&reservation.options),
        next_server: shown(reservation.next_server),
        boot_file: reservation.boot_file.clone(),
    }
}

fn options_to_wire(options: &OptionSet) -> Vec<v1::DhcpOptionValue> {
    let known =
        options.iter().filter_map(|(code, value)| Some((dhcp_options::by_code(*code)?, value)));
    known
        .map(|(row, value)| v1::DhcpOptionValue { name: row.name.into(), value: value.to_string() })
        .collect()
}

fn dhcp_from_wire(wire: &v1::DhcpVlan) -> Result<DhcpVlan, Refused> {
    let mut reading = Reading::new("");
    let vlan = reading.parse("id", &wire.id, "must be a UUID");
    let role = match wire.role() {
        v1::RackRole::Primary => Some(Role::Primary),
        v1::RackRole::Secondary => Some(Role::Secondary),
        v1::RackRole::Unspecified => {
            reading.object("role", wire.role, "must be primary or secondary");
            None
        }
    };
    let mut subnets = Vec::new();
    for (at, subnet) in wire.subnets.iter().enumerate() {
        let mut below = reading.below("subnets", at);
        subnets.extend(subnet_from_wire(subnet, &mut below));
        reading.take(below);
    }
    if let (Some(vlan), Some(role), true) = (vlan, role, reading.objections.is_empty()) {
        let mut vlan = DhcpVlan::new(vlan, wire.name.clone(), role, subnets).map_err(Refused)?;
        vlan.proxy = wire.proxy;
        return Ok(vlan);
    }
    Err(Refused(reading.objections))
}

fn subnet_from_wire(wire: &v1::DhcpSubnet, reading: &mut Reading) -> Option<DhcpSubnet> {
    let id = reading.parse("id", &wire.id, "must be a UUID");
    let prefix =
        reading.parse("prefix", &wire.prefix, "must be an IPv4 prefix such as 10.0.0.0/24");
    let dynamic = ranges_from_wire(&wire.ranges, reading);
    let mut reservations = Vec::new();
    for (at, reservation) in wire.reservations.iter().enumerate() {
        let mut below = reading.below("reservations", at);
        reservations.extend(reservation_from_wire(reservation, &mut below));
        reading.take(below);
    }
    let lease = Lifetime::try_from(wire.lease_seconds);
    let lease = reading.check("lease_seconds", wire.lease_seconds, lease);
    let options = options_from_wire(&wire.options, reading);
    let next_server = server_from_wire(&wire.next_server, reading);
    let disabled_boot = architectures_from_wire(&wire.disabled_boot_architectures, reading);
    Some(DhcpSubnet {
        id: id?,
        prefix: prefix.and_then(|prefix: ipnet::Ipv4Net| without_host_bits(prefix, reading))?,
        dynamic,
        reservations,
        lease: lease?,
        options,
        next_server,
        boot_file: wire.boot_file.clone(),
        disabled_boot,
    })
}

fn architectures_from_wire(wire: &[String], reading: &mut Reading) -> BTreeSet<Architecture> {
    let mut architectures = BTreeSet::new();
    for (at, name) in wire.iter().enumerate() {
        let field = format!("disabled_boot_architectures[{at}]");
        architectures.extend(reading.check(&field, name, name.parse::<Architecture>()));
    }
    architectures
}

fn without_host_bits(prefix: ipnet::Ipv4Net, reading: &mut Reading) -> Option<ipnet::Ipv4Net> {
    let network = prefix.trunc();
    if network != prefix {
        reading.object("prefix", prefix, format!("has host bits set; its network is {network}"));
    }
    (network == prefix).then_some(prefix)
}

fn ranges_from_wire(wire: &[v1::AddressRange], reading: &mut Reading) -> RangeSet {
    let mut ranges = RangeSet::default();
    for (at, range) in wire.iter().enumerate() {
        let mut below = reading.below("ranges", at);
        let rule = "must be an IPv4 address";
        let first = below.parse::<Ipv4Addr>("first", &range.first, rule);
        let last = below.parse::<Ipv4Addr>("last", &range.last, rule);
        if let (Some(first), Some(last)) = (first, last) {
            let range = IpRange::new(IpAddr::V4(first), IpAddr::V4(last));
            if let Some(range) = below.check("last", last, range) {
                match ranges.ranges().iter().find(|other| other.overlaps(range)) {
                    Some(other) => below.object("first", first, format!("overlaps {other}")),
                    None => ranges.insert(range),
                }
            }
        }
        reading.take(below);
    }
    ranges
}

fn reservation_from_wire(wire: &v1::DhcpReservation, reading: &mut Reading) -> Option<Reservation> {
    let address = reading.parse("address", &wire.address, "must be an IPv4 address");
    let client = match (wire.mac.as_str(), wire.client_id.as_str()) {
        ("", "") => {
            reading.object("mac", "", "must be given, or a client_id");
            None
        }
        (mac, "") => reading.check("mac", mac, mac.parse()).map(ClientMatch::Mac),
        ("", identifier) => {
            let bytes = bytes(identifier).filter(|bytes| bytes.len() >= 2);
            if bytes.is_none() {
                let rule = "must be at least two bytes as hexadecimal digits, the type byte first";
                reading.object("client_id", identifier, rule);
            }
            bytes.map(ClientMatch::Identifier)
        }
        (_, identifier) => {
            reading.object("client_id", identifier, "must not be given beside a mac");
            None
        }
    };
    let host_name = match wire.host_name.as_str() {
        "" => None,
        name => reading.check("host_name", name, name.parse()),
    };
    let options = options_from_wire(&wire.options, reading);
    let next_server = server_from_wire(&wire.next_server, reading);
    Some(Reservation {
        address: address?,
        client: client?,
        host_name,
        options,
        next_server,
        boot_file: wire.boot_file.clone(),
    })
}

fn options_from_wire(wire: &[v1::DhcpOptionValue], reading: &mut Reading) -> OptionSet {
    let mut options = OptionSet::new();
    for (at, option) in wire.iter().enumerate() {
        let mut below = reading.below("options", at);
        let row = below.check("name", &option.name, dhcp_options::find(&option.name));
        match row {
            Some(row) if row.source == dhcp_options::Source::Computed => {
                below.object("name", &option.name, "is computed for each reply; it cannot be set");
            }
            Some(row) => {
                let value = OptionValue::parse(row.kind, &option.value);
                if let Some(value) = below.check("value", &option.value, value)
                    && options.insert(row.code, value).is_some()
                {
                    below.object("name", &option.name, "is given twice");
                }
            }
            None => {}
        }
        reading.take(below);
    }
    options
}

fn server_from_wire(text: &str, reading: &mut Reading) -> Option<Ipv4Addr> {
    reading.optional("next_server", text, "must be an IPv4 address")
}

fn shown(address: Option<Ipv4Addr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digits with or without colons between the bytes.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

/// The objections of a refused scope, for its verdict.
impl From<Refused> for Vec<Objection> {
    fn from(refused: Refused) -> Self {
        refused.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190a5f0-0000-7000-8000-000000000001";

    fn vlan() -> v1::DhcpVlan {
        let option = |name: &str, value: &str| v1::DhcpOptionValue {
            name: name.into(),
            value: value.into(),
        };
        let subnet = v1::DhcpSubnet {
            id: ID.into(),
            prefix: "10.0.0.0/24".into(),
            ranges: vec![v1::AddressRange { first: "10.0.0.10".into(), last: "10.0.0.20".into() }],
            reservations: vec![v1::DhcpReservation {
                address: "10.0.0.5".into(),
                client_id: "01525400123456".into(),
                host_name: "n1".into(),
                ..Default::default()
            }],
            lease_seconds: 600,
            options: vec![
                option("routers", "10.0.0.1"),
                option("domain-name-servers", "10.0.0.53, 10.0.1.53"),
                option("domain-search", "lab.example, example"),
                option("classless-static-routes", "10.1.0.0/16=10.0.0.1"),
            ],
            next_server: "10.0.0.2".into(),
            boot_file: "bootx64.efi".into(),
            disabled_boot_architectures: vec!["bios".into()],
        };
        v1::DhcpVlan {
            id: ID.into(),
            name: "dc1/10".into(),
            role: v1::RackRole::Primary.into(),
            subnets: vec![subnet],
            proxy: true,
        }
    }

    #[test]
    fn what_was_read_is_written_as_it_was() {
        let wire = v1::ScopeConfig { scope: Some(Scope::Dhcp(vlan())) };
        let read = scope_from_wire(&wire).unwrap();
        assert_eq!(scope_to_wire(&read), wire);
        assert_eq!(decode(&encode(&read)).unwrap(), read);
    }

    #[test]
    fn each_bad_field_is_named_with_its_path() {
        type Spoil = fn(&mut v1::DhcpVlan);
        let rows: &[(&str, Spoil)] = &[
            ("id", |vlan| vlan.id = "x".into()),
            ("role", |vlan| vlan.role = 9),
            ("subnets[0].prefix", |vlan| vlan.subnets[0].prefix = "10.0.0.1/24".into()),
            ("subnets[0].prefix", |vlan| vlan.subnets[0].prefix = "2001:db8::/64".into()),
            ("subnets[0].lease_seconds", |vlan| vlan.subnets[0].lease_seconds = 1),
            ("subnets[0].next_server", |vlan| vlan.subnets[0].next_server = "boot".into()),
            ("subnets[0].ranges[0].last", |vlan| {
                vlan.subnets[0].ranges[0].last = "10.0.0.9".into()
            }),
            ("subnets[0].ranges[0].first", |vlan| vlan.subnets[0].ranges[0].first = "::1".into()),
            ("subnets[0].options[0].value", |vlan| vlan.subnets[0].options[0].value = "x".into()),
            ("subnets[0].options[0].name", |vlan| vlan.subnets[0].options[0].name = "51".into()),
            ("subnets[0].options[1].name", |vlan| {
                vlan.subnets[0].options[1].name = "routers".into();
            }),
            ("subnets[0].reservations[0].client_id", |vlan| {
                vlan.subnets[0].reservations[0].client_id = "0".into();
            }),
            ("subnets[0].reservations[0].mac", |vlan| {
                vlan.subnets[0].reservations[0].client_id.clear();
            }),
            ("subnets[0].reservations[0].address", |vlan| {
                vlan.subnets[0].reservations[0].address = "10.0.1.5".into();
            }),
        ];
        for (field, spoil) in rows {
            let mut wire = vlan();
            spoil(&mut wire);
            let refused = dhcp_from_wire(&wire).unwrap_err();
            let fields: Vec<_> = refused.0.iter().map(|one| one.field.as_str()).collect();
            assert_eq!(fields, [*field], "{refused}");
        }
    }
}
