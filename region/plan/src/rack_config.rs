//! From what the network should be to what each rack should be doing.

use common::{
    IpRange, Objection, RackId, RangeSet,
    dhcp_options::{OptionSet, OptionValue, Route},
    rack_config::{DhcpSubnet, DhcpVlan, Reservation, Role, ScopeConfig, ScopeName},
};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use crate::{
    Subnet, Vlan, boot,
    model::{NetworkModel, SubnetModel, VlanModel},
    pairing::{choose_servers, choose_servers_of_any},
};

/// One scope of one rack.
#[derive(Clone, Debug, PartialEq)]
pub struct RackScope {
    pub rack: RackId,
    pub scope: ScopeName,
    /// For people: dhcp dc1/10
    pub name: String,
    /// What the rack would refuse is not sent to it.
    pub config: Result<ScopeConfig, Unbuildable>,
}

/// Why a scope cannot be built.
#[derive(Clone, Debug, PartialEq)]
pub struct Unbuildable {
    pub objections: Vec<Objection>,
    /// All that it should have been built from, written out: another text is another attempt.
    pub source: String,
}

/// Every scope of every rack that serves a VLAN. A VLAN without a subnet that DHCP can serve has none.
pub fn build(model: &NetworkModel) -> Vec<RackScope> {
    let mut scopes = Vec::new();
    for vlan in &model.vlans {
        for (rack, role) in choose_servers(&vlan.vlan) {
            let subnets: Vec<DhcpSubnet> =
                vlan.subnets.iter().filter_map(|subnet| build_subnet(subnet, &vlan.vlan)).collect();
            if !subnets.is_empty() {
                scopes.push(scope(vlan, rack, role, subnets));
            }
        }
    }
    if let Some(config) = boot::build(&model.boot) {
        let config = or_why(config.map(ScopeConfig::Boot), &model.boot);
        let racks = choose_servers_of_any(model.vlans.iter().map(|own| &own.vlan));
        scopes.extend(racks.into_iter().map(|rack| RackScope {
            rack,
            scope: ScopeName::Boot,
            name: "boot".into(),
            config: config.clone(),
        }));
    }
    scopes
}

fn scope(vlan: &VlanModel, rack: RackId, role: Role, subnets: Vec<DhcpSubnet>) -> RackScope {
    let config = DhcpVlan::new(vlan.id, vlan.key.clone(), role, subnets).map(|mut dhcp| {
        dhcp.proxy = vlan.vlan.proxy_dhcp;
        ScopeConfig::Dhcp(dhcp)
    });
    RackScope {
        rack,
        scope: ScopeName::Dhcp(vlan.id),
        name: format!("dhcp {}", vlan.key),
        config: or_why(config, vlan),
    }
}

fn or_why(
    config: Result<ScopeConfig, Vec<Objection>>,
    source: &impl fmt::Debug,
) -> Result<ScopeConfig, Unbuildable> {
    config.map_err(|objections| Unbuildable { objections, source: format!("{source:?}") })
}

/// None: nothing is given in it.
fn build_subnet(model: &SubnetModel, vlan: &Vlan) -> Option<DhcpSubnet> {
    let subnet = &model.subnet;
    if !subnet.is_given() {
        return None;
    }
    let ipnet::IpNet::V4(prefix) = subnet.cidr.net() else { return None };
    let dynamic = model.ranges.iter().filter(|range| range.dynamic);
    let mut dynamic: RangeSet = dynamic.filter_map(crate::Range::addresses).collect();
    if let Some(gateway) = subnet.gateway {
        dynamic.remove(IpRange::from(gateway));
    }
    Some(DhcpSubnet {
        id: model.id,
        prefix,
        dynamic,
        reservations: model.reservations.iter().filter_map(build_reservation).collect(),
        lease: subnet.lease_seconds,
        options: build_options(subnet, vlan),
        next_server: subnet.next_server,
        boot_file: subnet.boot_file.as_str().to_owned(),
        disabled_boot: subnet.disabled_boot_architectures.iter().copied().collect(),
    })
}

fn build_reservation(own: &crate::Reservation) -> Option<Reservation> {
    let IpAddr::V4(address) = own.address else { return None };
    let options = own.options.iter().map(|option| (option.code(), option.value().clone()));
    Some(Reservation {
        address,
        client: own.client()?,
        host_name: own.host_name.clone(),
        options: options.collect(),
        next_server: own.next_server,
        boot_file: own.boot_file.as_str().to_owned(),
    })
}

/// What a subnet has a field for; then what it sets by name, which goes first.
fn build_options(subnet: &Subnet, vlan: &Vlan) -> OptionSet {
    let gateway = v4(subnet.gateway);
    let mut options = OptionSet::new();
    let mut put = |code, value: Option<OptionValue>| {
        options.extend(value.map(|value| (code, value)));
    };
    put(3, addresses(gateway.clone()));
    put(6, addresses(v4(subnet.dns_servers.iter().copied())));
    put(15, subnet.domain.as_ref().map(|domain| OptionValue::Text(domain.to_string())));
    let mtu = subnet.mtu.map_or(vlan.mtu.bytes(), common::Mtu::bytes);
    put(26, Some(OptionValue::Short(mtu)));
    put(42, addresses(v4(subnet.ntp_servers.iter().copied())));
    let search: Vec<String> = subnet.search.iter().map(ToString::to_string).collect();
    put(119, (!search.is_empty()).then_some(OptionValue::Domains(search)));
    put(121, build_routes(subnet, gateway.first().copied()).map(OptionValue::Routes));
    options.extend(subnet.option_set());
    options
}

/// A client that is told classless routes must not look at option 3, so the default route is among them (RFC 3442).
fn build_routes(subnet: &Subnet, gateway: Option<Ipv4Addr>) -> Option<Vec<Route>> {
    if subnet.routes.is_empty() {
        return None;
    }
    let mut routes = subnet.routes.clone();
    let has_default = routes.iter().any(|route| route.destination.prefix_len() == 0);
    if let Some(router) = gateway.filter(|_| !has_default) {
        routes.push(Route { destination: ipnet::Ipv4Net::default(), router });
    }
    Some(routes)
}

fn v4(all: impl IntoIterator<Item = IpAddr>) -> Vec<Ipv4Addr> {
    all.into_iter()
        .filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .collect()
}

fn addresses(all: Vec<Ipv4Addr>) -> Option<OptionValue> {
    (!all.is_empty()).then_some(OptionValue::Addresses(all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Range, dhcp::Octets};
    use common::{Id, Lifetime, Mtu, VlanTag, rack_config::ClientMatch};

    fn id<T>(number: u128) -> Id<T> {
        format!("{number:032x}").parse().unwrap()
    }

    fn subnet(cidr: &str) -> SubnetModel {
        SubnetModel {
            id: id(3),
            subnet: Subnet {
                vrf: id(1),
                vlan: id(2),
                cidr: cidr.parse().unwrap(),
                gateway: None,
                dns_servers: Vec::new(),
                unmanaged: false,
                note: String::new(),
                domain: None,
                search: Vec::new(),
                ntp_servers: Vec::new(),
                lease_seconds: Lifetime::DEFAULT,
                next_server: None,
                boot_file: crate::dhcp::BootFile::default(),
                mtu: None,
                routes: Vec::new(),
                options: Vec::new(),
                disabled_boot_architectures: Vec::new(),
            },
            ranges: Vec::new(),
            reservations: Vec::new(),
        }
    }

    fn model(subnets: Vec<SubnetModel>) -> NetworkModel {
        let vlan = Vlan {
            fabric: id(4),
            vid: VlanTag::try_from(10).unwrap(),
            mtu: Mtu::try_from(9000).unwrap(),
            note: String::new(),
            primary_rack: Some(id(11)),
            secondary_rack: Some(id(12)),
            proxy_dhcp: false,
        };
        let vlans = vec![VlanModel { id: id(2), key: "dc1/10".into(), vlan, subnets }];
        NetworkModel { vlans, ..NetworkModel::default() }
    }

    fn dhcp(config: ScopeConfig) -> DhcpVlan {
        match config {
            ScopeConfig::Dhcp(vlan) => vlan,
            other @ ScopeConfig::Boot(_) => panic!("{other:?}"),
        }
    }

    fn built(subnet: SubnetModel) -> DhcpSubnet {
        let scope = build(&model(vec![subnet])).remove(0);
        dhcp(scope.config.unwrap()).subnets()[0].clone()
    }

    #[test]
    fn both_racks_of_a_vlan_get_it_each_with_its_role() {
        let scopes = build(&model(vec![subnet("10.0.0.0/24"), subnet("2001:db8::/64")]));
        let roles: Vec<_> = scopes
            .iter()
            .map(|scope| {
                let vlan = dhcp(scope.config.clone().unwrap());
                assert_eq!((scope.name.as_str(), vlan.subnets().len()), ("dhcp dc1/10", 1));
                (scope.rack, vlan.role)
            })
            .collect();
        assert_eq!(roles, [(id(11), Role::Primary), (id(12), Role::Secondary)]);
        assert!(build(&model(vec![subnet("2001:db8::/64")])).is_empty());
        let mut foreign = subnet("10.0.1.0/24");
        foreign.subnet.unmanaged = true;
        assert!(build(&model(vec![foreign.clone()])).is_empty());
        let beside = build(&model(vec![foreign, subnet("10.0.0.0/24")])).remove(0);
        let served = dhcp(beside.config.unwrap());
        let served: Vec<_> = served.subnets().iter().map(|own| own.prefix.to_string()).collect();
        assert_eq!(served, ["10.0.0.0/24"]);
        let mut unserved = model(vec![subnet("10.0.0.0/24")]);
        (unserved.vlans[0].vlan.primary_rack, unserved.vlans[0].vlan.secondary_rack) = (None, None);
        assert!(build(&unserved).is_empty());
    }

    #[test]
    fn each_rack_that_serves_a_vlan_knows_what_machines_boot() {
        let mut own = model(vec![subnet("10.0.0.0/24")]);
        let boots = |model: &NetworkModel| -> Vec<RackId> {
            let scopes = build(model).into_iter().filter(|own| own.scope == ScopeName::Boot);
            scopes.map(|own| own.rack).collect()
        };
        assert!(boots(&own).is_empty());
        let file = common::rack_config::boot::BootFile { digest: [0; 32], size: 1 };
        own.boot.files = vec![("a".parse().unwrap(), file)];
        own.vlans.push(own.vlans[0].clone());
        assert_eq!(boots(&own), [id(11), id(12)]);
        own.vlans.clear();
        assert!(boots(&own).is_empty());
    }

    #[test]
    fn switches_of_network_boot_reach_the_rack() {
        let mut own = model(vec![subnet("10.0.0.0/24")]);
        own.vlans[0].vlan.proxy_dhcp = true;
        let architecture = common::rack_config::boot::Architecture::Bios;
        own.vlans[0].subnets[0].subnet.disabled_boot_architectures = vec![architecture];
        let vlan = dhcp(build(&own).remove(0).config.unwrap());
        assert!(vlan.proxy && vlan.subnets()[0].disabled_boot.contains(&architecture));
    }

    #[test]
    fn a_default_route_goes_with_classless_ones() {
        let mut own = subnet("10.0.0.0/24");
        own.subnet.gateway = Some([10, 0, 0, 1].into());
        assert!(!built(own.clone()).options.contains_key(&121));
        own.subnet.routes = vec!["192.168.0.0/16=10.0.0.2".parse().unwrap()];
        let told = built(own.clone()).options[&121].to_string();
        assert_eq!(told, "192.168.0.0/16=10.0.0.2, 0.0.0.0/0=10.0.0.1");
        own.subnet.routes = vec!["0.0.0.0/0=10.0.0.3".parse().unwrap()];
        assert_eq!(built(own).options[&121].to_string(), "0.0.0.0/0=10.0.0.3");
    }

    #[test]
    fn options_come_from_fields_and_by_name() {
        let mut own = subnet("10.0.0.0/24");
        own.subnet.dns_servers = vec![[10, 0, 0, 53].into(), [10, 0, 1, 53].into()];
        own.subnet.domain = Some("dc1.example.com".parse().unwrap());
        own.subnet.options = vec!["tz-name=Europe/Paris".parse().unwrap()];
        let told: Vec<_> = built(own.clone())
            .options
            .iter()
            .map(|(code, value)| (*code, value.to_string()))
            .collect();
        let expected = [
            (6, "10.0.0.53, 10.0.1.53"),
            (15, "dc1.example.com"),
            (26, "9000"),
            (101, "Europe/Paris"),
        ];
        assert_eq!(told, expected.map(|(code, value)| (code, value.to_owned())));
        own.subnet.mtu = Some(Mtu::try_from(1400).unwrap());
        assert_eq!(built(own).options[&26].to_string(), "1400");
    }

    #[test]
    fn only_dynamic_ranges_are_given_and_reserved_addresses_are_kept() {
        let mut own = subnet("10.0.0.0/24");
        let range = |first: u8, last: u8, dynamic| Range {
            subnet: id(3),
            first: [10, 0, 0, first].into(),
            last: [10, 0, 0, last].into(),
            dynamic,
            note: String::new(),
        };
        own.ranges = vec![range(10, 19, true), range(30, 39, false)];
        own.reservations = vec![crate::Reservation {
            subnet: id(3),
            address: [10, 0, 0, 15].into(),
            mac: None,
            client_id: Octets::new(vec![1, 2]),
            host_name: None,
            next_server: None,
            boot_file: crate::dhcp::BootFile::default(),
            options: Vec::new(),
            note: String::new(),
        }];
        let own = built(own);
        assert_eq!(own.dynamic.count(), 9);
        assert_eq!(own.reservations[0].client, ClientMatch::Identifier(vec![1, 2]));
    }
}
