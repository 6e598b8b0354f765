//! Which VLAN each interface leads into, and so where each VLAN's clients are heard.

use common::{
    VlanId,
    rack_config::{DhcpVlan, Role},
};
use ipnet::Ipv4Net;
use std::collections::BTreeMap;

use crate::{net::interfaces::Interface, services::dhcp::LinkAddresses};

/// Interface to VLAN (its name or id), as the rack's own configuration says.
pub type Assignments = BTreeMap<String, String>;

/// An interface as a way into a VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number: sockets on an interface that was made anew under its old name are dead.
    pub index: usize,
    pub addresses: LinkAddresses,
}

impl Link {
    fn new(interface: &Interface) -> Self {
        let (interface, index, addresses) =
            (interface.name.clone(), interface.index, interface.ipv4());
        Self { index, addresses: LinkAddresses { interface, addresses } }
    }
}

/// Where every interface leads, or why nowhere.
#[derive(Debug)]
pub struct Attachment<'a> {
    interfaces: &'a [Interface],
    leads: Vec<Result<VlanId, String>>,
    assignments: &'a Assignments,
    /// Some interface leads into a VLAN that this rack serves, so there is a socket that relays can reach.
    heard: bool,
}

impl<'a> Attachment<'a> {
    /// What is assigned counts; else the one VLAN that has a subnet with an address of the interface in it.
    pub fn new(
        interfaces: &'a [Interface],
        assignments: &'a Assignments,
        vlans: &[&DhcpVlan],
    ) -> Self {
        let leads: Vec<_> =
            interfaces.iter().map(|interface| lead(interface, assignments, vlans)).collect();
        let mut served = vlans.iter().filter(|vlan| vlan.role == Role::Primary);
        let heard = served.any(|vlan| leads.contains(&Ok(vlan.vlan)));
        Self { interfaces, leads, assignments, heard }
    }

    pub fn interfaces(&self) -> impl Iterator<Item = (&Interface, &Result<VlanId, String>)> {
        self.interfaces.iter().zip(&self.leads)
    }

    pub fn links(&self, vlan: VlanId) -> Vec<Link> {
        let own = self.interfaces().filter(|(_, lead)| **lead == Ok(vlan));
        own.map(|(interface, _)| Link::new(interface)).collect()
    }

    /// Every interface that leads somewhere.
    pub fn all_links(&self) -> Vec<Link> {
        let leading = self.interfaces().filter(|(_, lead)| lead.is_ok());
        leading.map(|(interface, _)| Link::new(interface)).collect()
    }

    /// The interfaces by which a VLAN is served. None is right for a VLAN whose clients come by relays alone, as long as the rack hears something
    /// somewhere; but not for one that had interfaces (`before`) or was assigned some.
    pub fn reach(&self, vlan: &DhcpVlan, before: &[String]) -> Result<Vec<Link>, String> {
        let links = self.links(vlan.vlan);
        if !links.is_empty() || vlan.subnets().is_empty() {
            return Ok(links);
        }
        let assigned = self.assignments.iter().filter(|(_, to)| names(vlan, to));
        let expected: Vec<&String> = assigned.map(|(name, _)| name).chain(before).collect();
        if !expected.is_empty() {
            let each = expected.into_iter().map(|name| self.whereabouts(name, vlan));
            return Err(each.collect::<Vec<_>>().join("; "));
        }
        if self.heard {
            return Ok(Vec::new());
        }
        let prefixes: Vec<_> =
            vlan.subnets().iter().map(|subnet| subnet.prefix.to_string()).collect();
        Err(format!(
            "no interface of this rack has an address in {}, and none at which relays are heard",
            prefixes.join(" or ")
        ))
    }

    /// Why an interface that should lead into the VLAN does not.
    fn whereabouts(&self, name: &str, vlan: &DhcpVlan) -> String {
        let found = self.interfaces().find(|(interface, _)| interface.name == name);
        match found {
            None => format!("interface {name} is gone"),
            Some((_, Err(why))) => format!("interface {name} {why}"),
            Some((_, Ok(_))) => format!("interface {name} leads elsewhere than into {}", vlan.name),
        }
    }
}

fn lead(
    interface: &Interface,
    assignments: &Assignments,
    vlans: &[&DhcpVlan],
) -> Result<VlanId, String> {
    if !interface.up {
        return Err("is down".into());
    }
    let own = interface.ipv4();
    if own.is_empty() {
        return Err("has no IPv4 address".into());
    }
    if let Some(assigned) = assignments.get(&interface.name) {
        let vlan = vlans.iter().find(|vlan| names(vlan, assigned));
        return vlan
            .map(|vlan| vlan.vlan)
            .ok_or_else(|| format!("is assigned to {assigned}, which this rack does not serve"));
    }
    let mut near = vlans.iter().filter(|vlan| has_address(vlan, &own));
    match (near.next(), near.next()) {
        (None, _) => Err("has no address in any subnet that this rack serves".into()),
        (Some(vlan), None) => Ok(vlan.vlan),
        (Some(one), Some(other)) => Err(format!(
            "has addresses in {} and {}; assign it to one of them in the rack's configuration",
            one.name, other.name
        )),
    }
}

fn names(vlan: &DhcpVlan, assigned: &str) -> bool {
    vlan.name == assigned || vlan.vlan.to_string() == assigned
}

fn has_address(vlan: &DhcpVlan, own: &[Ipv4Net]) -> bool {
    let inside =
        |net: &Ipv4Net| vlan.subnets().iter().any(|subnet| subnet.prefix.contains(&net.addr()));
    own.iter().any(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::samples::{standby, vlan};
    use std::net::IpAddr;

    fn interface(name: &str, up: bool, addresses: &[&str]) -> Interface {
        let parsed = addresses.iter().map(|text| {
            let net: ipnet::IpNet = text.parse().unwrap();
            (net.addr(), net.prefix_len())
        });
        let addresses: Vec<(IpAddr, u8)> = parsed.collect();
        Interface { name: name.into(), index: 1, mac: None, up, addresses }
    }

    /// VLANs dc1/10 (10.0.0.0/24), dc1/20 (10.0.20.0/24 and 10.0.21.0/24), dc1/30 (10.0.0.0/16): where does one interface lead?
    #[test]
    fn where_an_interface_leads() {
        let vlans = [
            vlan("dc1/10", &["10.0.0.0/24"]),
            vlan("dc1/20", &["10.20.0.0/24", "10.21.0.0/24"]),
            vlan("dc1/30", &["10.0.0.0/16"]),
        ];
        let vlans: Vec<&DhcpVlan> = vlans.iter().collect();
        type Row = (&'static str, bool, &'static [&'static str], Option<&'static str>, Lead);
        type Lead = Result<usize, &'static str>;
        let rows: &[Row] = &[
            ("by its address", true, &["10.20.0.2/24"], None, Ok(1)),
            ("by either subnet", true, &["10.21.0.2/24"], None, Ok(1)),
            ("two addresses of one VLAN", true, &["10.20.0.2/24", "10.21.0.2/24"], None, Ok(1)),
            ("ambiguous", true, &["10.0.0.2/24"], None, Err("addresses in dc1/10 and dc1/30")),
            ("assigned by name", true, &["10.0.0.2/24"], Some("dc1/10"), Ok(0)),
            ("assigned, against its address", true, &["192.0.2.1/24"], Some("dc1/20"), Ok(1)),
            ("assigned to nothing", true, &["10.0.0.2/24"], Some("dc1/99"), Err("dc1/99")),
            ("elsewhere", true, &["192.0.2.1/24"], None, Err("no address in any subnet")),
            ("down", false, &["10.20.0.2/24"], None, Err("is down")),
            ("IPv6 only", true, &["2001:db8::1/64"], None, Err("no IPv4 address")),
            ("assigned without address", true, &[], Some("dc1/10"), Err("no IPv4 address")),
        ];
        for (case, up, addresses, assigned, expected) in rows {
            let interfaces = [interface("eth1", *up, addresses)];
            let assignments =
                assigned.iter().map(|to| ("eth1".to_owned(), (*to).to_owned())).collect();
            let attachment = Attachment::new(&interfaces, &assignments, &vlans);
            let (_, found) = attachment.interfaces().next().unwrap();
            match (found, expected) {
                (Ok(found), Ok(at)) => assert_eq!(*found, vlans[*at].vlan, "{case}"),
                (Err(found), Err(word)) => assert!(found.contains(word), "{case}: {found}"),
                (found, expected) => panic!("{case}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn how_a_vlan_is_reached() {
        let ten = vlan("dc1/10", &["10.0.0.0/24"]);
        let twenty = vlan("dc1/20", &["10.20.0.0/24"]);
        let there = [interface("eth1", true, &["10.0.0.2/24"]), interface("eth2", false, &[])];
        let nowhere = [interface("eth0", true, &["192.0.2.1/24"])];
        let eth9 = ["eth9".to_owned()];
        type Row<'a> =
            (&'a str, &'a [Interface], &'a DhcpVlan, Option<&'a str>, &'a [String], Links<'a>);
        type Links<'a> = Result<usize, &'a str>;
        let rows: &[Row<'_>] = &[
            ("direct", &there, &ten, None, &[], Ok(1)),
            ("by relays, heard on eth1", &there, &twenty, None, &[], Ok(0)),
            ("nothing is heard anywhere", &nowhere, &twenty, None, &[], Err("10.20.0.0/24")),
            ("its interface went away", &there, &twenty, None, &eth9, Err("eth9 is gone")),
            (
                "its assigned interface is gone",
                &there,
                &twenty,
                Some("eth9"),
                &[],
                Err("eth9 is gone"),
            ),
            (
                "its assigned interface is down",
                &there,
                &twenty,
                Some("eth2"),
                &[],
                Err("eth2 is down"),
            ),
        ];
        for (case, interfaces, vlan, assigned, before, expected) in rows {
            let assignments =
                assigned.iter().map(|name| ((*name).to_owned(), vlan.name.clone())).collect();
            let attachment = Attachment::new(interfaces, &assignments, &[&ten, &twenty]);
            match (attachment.reach(vlan, before), expected) {
                (Ok(links), Ok(count)) => assert_eq!(links.len(), *count, "{case}"),
                (Err(why), Err(word)) => assert!(why.contains(word), "{case}: {why}"),
                (found, expected) => panic!("{case}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn relays_are_heard_where_a_vlan_is_served() {
        let there = [interface("eth1", true, &["10.0.0.2/24"])];
        let relayed = vlan("dc1/20", &["10.20.0.0/24"]);
        let (ten, none) = (vlan("dc1/10", &["10.0.0.0/24"]), Assignments::new());
        let serving = Attachment::new(&there, &none, &[&ten, &relayed]);
        assert_eq!(serving.reach(&relayed, &[]), Ok(Vec::new()));
        let ten = standby(ten);
        let standing_by = Attachment::new(&there, &none, &[&ten, &relayed]);
        assert!(standing_by.reach(&relayed, &[]).unwrap_err().contains("relays"));
        let empty = vlan("dc1/30", &[]);
        assert_eq!(standing_by.reach(&empty, &[]), Ok(Vec::new()), "nothing to serve is served");
    }
}
