//! The DHCP of one VLAN.

use ipnet::Ipv4Net;
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    IpRange, Lifetime, MacAddr, Name, Objection, RangeSet, SubnetId, VlanId,
    dhcp_options::OptionSet, rack_config::boot::Architecture,
};

/// What the rack is for this VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Primary,
    /// Until failover exists it checks the configuration and opens no socket.
    Secondary,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DhcpVlan {
    pub vlan: VlanId,
    /// What people call it: `dc1/10`.
    pub name: String,
    pub role: Role,
    /// Another server gives the addresses; this rack only adds what machines boot (PXE specification 2.1, proxyDHCP).
    pub proxy: bool,
    /// In the order in which they are tried for a client that says nothing of itself.
    subnets: Vec<DhcpSubnet>,
}

/// One IPv4 subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct DhcpSubnet {
    pub id: SubnetId,
    pub prefix: Ipv4Net,
    /// Addresses that may be given to whoever asks; reserved ones are not among them.
    pub dynamic: RangeSet,
    pub reservations: Vec<Reservation>,
    pub lease: Lifetime,
    pub options: OptionSet,
    /// `siaddr`: where the next boot stage is fetched from (RFC 2131 section 2).
    pub next_server: Option<Ipv4Addr>,
    /// `file`, at most 127 bytes (RFC 2131 section 2).
    pub boot_file: String,
    /// Firmware of these is told of no loader.
    pub disabled_boot: BTreeSet<Architecture>,
}

/// An address kept for one client.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    pub address: Ipv4Addr,
    pub client: ClientMatch,
    pub host_name: Option<Name>,
    /// On top of the subnet's.
    pub options: OptionSet,
    pub next_server: Option<Ipv4Addr>,
    /// Empty: the subnet's.
    pub boot_file: String,
}

/// How a reservation's client is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientMatch {
    Mac(MacAddr),
    /// Option 61, type byte included.
    Identifier(Vec<u8>),
}

impl DhcpVlan {
    /// Judges the whole scope, subnet by subnet and against each other; every objection, each with the path of its field.
    pub fn new(
        vlan: VlanId,
        name: String,
        role: Role,
        mut subnets: Vec<DhcpSubnet>,
    ) -> Result<Self, Vec<Objection>> {
        let mut objections = Vec::new();
        for (at, subnet) in subnets.iter().enumerate() {
            let path = format!("subnets[{at}]");
            subnet.judge(&path, &mut objections);
            let overlapping =
                subnets[..at].iter().find(|other| overlap(other.prefix, subnet.prefix));
            if let Some(other) = overlapping {
                let rule = format!("overlaps {} of the same VLAN", other.prefix);
                objections.push(Objection::new(&format!("{path}.prefix"), subnet.prefix, rule));
            }
        }
        if !objections.is_empty() {
            return Err(objections);
        }
        subnets.iter_mut().for_each(DhcpSubnet::keep_reserved_apart);
        Ok(Self { vlan, name, role, proxy: false, subnets })
    }

    pub fn subnets(&self) -> &[DhcpSubnet] {
        &self.subnets
    }
}

impl DhcpSubnet {
    fn judge(&self, path: &str, objections: &mut Vec<Objection>) {
        let mut object = |field: String, value: String, rule: String| {
            objections.push(Objection { field: format!("{path}.{field}"), value, rule });
        };
        let outside = format!("must be inside {}", self.prefix);
        for (at, range) in self.dynamic.ranges().iter().enumerate() {
            let (first, last) = (self.host(range.first()), self.host(range.last()));
            if !(first && last) {
                object(
                    format!("ranges[{at}]"),
                    range.to_string(),
                    format!("{outside}, without its network and broadcast addresses"),
                );
            }
        }
        let (mut addresses, mut clients) = (BTreeSet::new(), BTreeSet::new());
        for (at, own) in self.reservations.iter().enumerate() {
            let field = format!("reservations[{at}]");
            if !self.host(own.address.into()) {
                object(format!("{field}.address"), own.address.to_string(), outside.clone());
            }
            if !addresses.insert(own.address) {
                let rule = "is reserved twice".to_owned();
                object(format!("{field}.address"), own.address.to_string(), rule);
            }
            if !clients.insert(&own.client) {
                let rule = "has another reservation in this subnet".to_owned();
                object(format!("{field}.client"), format!("{:?}", own.client), rule);
            }
            if own.boot_file.len() > LONGEST_BOOT_FILE {
                let rule = "must be at most 127 bytes (RFC 2131)".to_owned();
                object(format!("{field}.boot_file"), own.boot_file.clone(), rule);
            }
        }
        if self.boot_file.len() > LONGEST_BOOT_FILE {
            let rule = "must be at most 127 bytes (RFC 2131)".to_owned();
            object("boot_file".into(), self.boot_file.clone(), rule);
        }
    }

    /// Whether a machine may have this address.
    fn host(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else { return false };
        let ends = [self.prefix.network(), self.prefix.broadcast()];
        self.prefix.contains(&address)
            && (self.prefix.prefix_len() > 30 || !ends.contains(&address))
    }

    fn keep_reserved_apart(&mut self) {
        for reservation in &self.reservations {
            self.dynamic.remove(IpRange::from(IpAddr::from(reservation.address)));
        }
    }
}

const LONGEST_BOOT_FILE: usize = 127;

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn subnet(prefix: &str, range: Option<(&str, &str)>, reserved: &[(&str, &str)]) -> DhcpSubnet {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        DhcpSubnet {
            id: SubnetId::new(Uuid::nil()),
            prefix: prefix.parse().unwrap(),
            dynamic: range.map(|(a, b)| IpRange::new(ip(a), ip(b)).unwrap()).into_iter().collect(),
            reservations: reserved
                .iter()
                .map(|(address, mac)| Reservation {
                    address: address.parse().unwrap(),
                    client: ClientMatch::Mac(mac.parse().unwrap()),
                    host_name: None,
                    options: OptionSet::new(),
                    next_server: None,
                    boot_file: String::new(),
                })
                .collect(),
            lease: Lifetime::DEFAULT,
            options: OptionSet::new(),
            next_server: None,
            boot_file: String::new(),
            disabled_boot: BTreeSet::new(),
        }
    }

    fn vlan(subnets: Vec<DhcpSubnet>) -> Result<DhcpVlan, Vec<Objection>> {
        DhcpVlan::new(VlanId::new(Uuid::nil()), "dc1/10".into(), Role::Primary, subnets)
    }

    #[test]
    fn every_broken_rule_is_named() {
        let refused = vlan(vec![
            subnet("10.0.0.0/24", Some(("10.0.0.0", "10.0.1.9")), &[]),
            subnet(
                "10.0.0.0/25",
                None,
                &[
                    ("10.0.0.5", "02:00:00:00:00:01"),
                    ("10.0.0.5", "02:00:00:00:00:01"),
                    ("10.9.0.5", "02:00:00:00:00:02"),
                ],
            ),
        ])
        .unwrap_err();
        let fields: Vec<_> = refused.iter().map(|objection| objection.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "subnets[0].ranges[0]",
                "subnets[1].reservations[1].address",
                "subnets[1].reservations[1].client",
                "subnets[1].reservations[2].address",
                "subnets[1].prefix",
            ]
        );
    }

    #[test]
    fn a_reserved_address_is_given_to_nobody_else() {
        let range = Some(("10.0.0.10", "10.0.0.20"));
        let vlan = vlan(vec![subnet("10.0.0.0/24", range, &[("10.0.0.15", "02:00:00:00:00:01")])]);
        let vlan = vlan.unwrap();
        let dynamic = &vlan.subnets()[0].dynamic;
        assert!(!dynamic.contains([10, 0, 0, 15].into()));
        assert_eq!(dynamic.count(), 10);
    }
}
