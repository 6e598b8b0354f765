//! From what the network should be to what each rack should be doing.

use common::{
    IpRange, Objection, RackId, RangeSet,
    dhcp_options::{OptionSet, OptionValue, Route},
    rack_config::{DhcpSubnet, DhcpVlan, Reservation, Role, ScopeConfig, ScopeName},
};
use std::net::{IpAddr, Ipv4Addr};

use crate::{
    Subnet, Vlan,
    model::{NetworkModel, SubnetModel, VlanModel},
    pairing::choose_servers,
};

/// One scope of one rack.
#[derive(Clone, Debug, PartialEq)]
pub struct RackScope {
    pub rack: RackId,
    pub scope: ScopeName,
    /// For people: dhcp dc1/10
    pub name: String,
    /// What the rack would refuse is not sent to it.
    pub config: Result<ScopeConfig, Vec<Objection>>,
}

/// Every scope of every rack. A VLAN without a subnet that DHCP can serve has none.
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
    scopes
}

fn scope(vlan: &VlanModel, rack: RackId, role: Role, subnets: Vec<DhcpSubnet>) -> RackScope {
    RackScope {
        rack,
        scope: ScopeName::Dhcp(vlan.id),
        name: format!("dhcp {}", vlan.key),
        config: DhcpVlan::new(vlan.id, vlan.key.clone(), role, subnets).map(ScopeConfig::Dhcp),
    }
}

/// None: not IPv4.
fn build_subnet(model: &SubnetModel, vlan: &Vlan) -> Option<DhcpSubnet> {
    let subnet = &model.subnet;
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
