//! Which subnet a packet belongs to.

use std::net::Ipv4Addr;

use super::{server::Server, v4::Request};
use crate::output::{Datagram, Link};

/// A subnet: of which of the rack's VLANs, and which of that VLAN's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) vlan: usize,
    pub(crate) subnet: usize,
}

/// Links and prefixes of all VLANs; made anew with each configuration.
#[derive(Default)]
pub(crate) struct Places {
    /// The VLAN of each link, by number.
    links: Vec<Option<usize>>,
    /// In order of network address.
    prefixes: Vec<(u32, Place)>,
}

impl Places {
    pub(crate) fn of(servers: &[Server]) -> Self {
        let mut places = Self::default();
        for (at, server) in servers.iter().enumerate() {
            let Some(vlan) = server.config() else { continue };
            for Link(number) in vlan.links() {
                let number = usize::from(number);
                places.links.resize(places.links.len().max(number + 1), None);
                places.links[number] = Some(at);
            }
            let subnets = vlan.subnets.iter().enumerate();
            let place = |(subnet, own): (usize, &super::compiled::Subnet)| {
                (own.first(), Place { vlan: at, subnet })
            };
            places.prefixes.extend(subnets.map(place));
        }
        places.prefixes.sort_by_key(|(first, _)| *first);
        places
    }

    /// Link selection (RFC 3527), subnet selection (RFC 3011), giaddr, ciaddr, interface: the first that is there decides. Only a relay speaks for other
    /// VLANs than its own, and only a routed packet comes from one.
    pub(crate) fn find(
        &self,
        servers: &[Server],
        datagram: &Datagram<'_>,
        request: &Request<'_>,
    ) -> Option<Place> {
        let home = self.links.get(usize::from(datagram.link.0)).copied().flatten();
        if let Some(giaddr) = request.giaddr {
            let told = request.link_selection.or(request.subnet_selection).unwrap_or(giaddr);
            return self.within(servers, home, told).or_else(|| self.anywhere(servers, told));
        }
        if let Some(told) = request.subnet_selection {
            return self.within(servers, home, told);
        }
        let by_client = request.ciaddr.and_then(|ciaddr| {
            let routed = || datagram.local.and_then(|_| self.anywhere(servers, ciaddr));
            self.within(servers, home, ciaddr).or_else(routed)
        });
        by_client.or_else(|| {
            let vlan = home?;
            Some(Place { vlan, subnet: servers[vlan].config()?.subnet_on(datagram.link)? })
        })
    }

    /// The address by which the client knows this rack (option 54): of the client's own link, or what its relay or router reached.
    pub(crate) fn identifier(
        &self,
        servers: &[Server],
        datagram: &Datagram<'_>,
        request: &Request<'_>,
        place: Place,
    ) -> Option<Ipv4Addr> {
        let vlan = servers[place.vlan].config()?;
        let own = || vlan.address_on(datagram.link, place.subnet);
        if request.giaddr.is_some() {
            datagram.local.or_else(own)
        } else {
            own().or(datagram.local)
        }
    }

    fn within(&self, servers: &[Server], vlan: Option<usize>, address: Ipv4Addr) -> Option<Place> {
        let vlan = vlan?;
        Some(Place { vlan, subnet: servers[vlan].config()?.subnet_of(address)? })
    }

    /// Prefixes of different VLANs may overlap (VRFs): then the narrowest start wins.
    fn anywhere(&self, servers: &[Server], address: Ipv4Addr) -> Option<Place> {
        let end = self.prefixes.partition_point(|(first, _)| *first <= address.to_bits());
        let contains = |place: &Place| {
            let vlan = servers[place.vlan].config();
            vlan.is_some_and(|vlan| vlan.subnets[place.subnet].contains(address))
        };
        self.prefixes[..end].iter().rev().map(|(_, place)| *place).find(contains)
    }
}
