//! The interfaces on which DHCP is served, by the number that the engine knows them by.

use common::{MacAddr, VlanId};
use engine::output::{Link, Send as Reply};
use std::{net::Ipv4Addr, sync::Arc};

use super::LinkAddresses;
use crate::net::{
    dhcp_socket::{DhcpSocket, InterfaceId, OpenError},
    send::{Outlet, Sender},
};

#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) link: Link,
    vlan: VlanId,
    pub(super) socket: Arc<DhcpSocket>,
    mac: Option<MacAddr>,
    addresses: Vec<Ipv4Addr>,
}

impl Port {
    fn outlet(&self) -> Outlet<'_> {
        Outlet { socket: &self.socket, mac: self.mac, primary: self.addresses.first().copied() }
    }

    pub(super) fn name(&self) -> &str {
        &self.socket.interface().name
    }
}

/// All that are open; never changed, but replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports(Vec<Port>);

impl Ports {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Port> {
        self.0.iter()
    }

    pub(super) fn get(&self, link: Link) -> Option<&Port> {
        self.0.iter().find(|port| port.link == link)
    }

    pub(super) fn has(&self, port: &Port) -> bool {
        self.get(port.link).is_some_and(|own| Arc::ptr_eq(&own.socket, &port.socket))
    }

    /// Without those of a VLAN.
    pub(super) fn without(&self, vlan: VlanId) -> Self {
        Self(self.0.iter().filter(|port| port.vlan != vlan).cloned().collect())
    }

    /// With these interfaces for a VLAN in place of those that it had, each with these ports. What is open already stays so.
    pub(super) fn with(
        &self,
        vlan: VlanId,
        links: &[LinkAddresses],
        numbers: &[u16],
    ) -> Result<Self, OpenError> {
        let mut ports = self.without(vlan);
        let each = links.iter().flat_map(|link| numbers.iter().map(move |number| (link, *number)));
        for (LinkAddresses { interface, addresses }, number) in each {
            let (interface, mac) = InterfaceId::find(interface)?;
            let is_open = |port: &&Port| {
                *port.socket.interface() == interface && port.socket.port() == number
            };
            let (link, socket) = match self.0.iter().find(is_open) {
                Some(port) => (port.link, Arc::clone(&port.socket)),
                None => (self.unused_link(&ports), Arc::new(DhcpSocket::open(interface, number)?)),
            };
            // It leads into one VLAN: the one that was told last.
            ports.0.retain(|port| port.link != link);
            let addresses = addresses.iter().map(ipnet::Ipv4Net::addr).collect();
            ports.0.push(Port { link, vlan, socket, mac, addresses });
        }
        Ok(ports)
    }

    /// Interfaces of a VLAN with their addresses.
    pub(super) fn links(&self, vlan: VlanId) -> Vec<(Link, Vec<Ipv4Addr>)> {
        let own = self.0.iter().filter(|port| port.vlan == vlan);
        own.map(|port| (port.link, port.addresses.clone())).collect()
    }

    /// Sends replies to where they belong; returns how many did not leave.
    pub(super) fn send(&self, sender: &mut Sender, bytes: &[u8], replies: &[Reply]) -> usize {
        let runs = replies.chunk_by(|one, next| one.link == next.link);
        runs.map(|run| match run.first().and_then(|reply| self.get(reply.link)) {
            Some(port) => sender.send(port.outlet(), bytes, run),
            None => run.len(),
        })
        .sum()
    }

    fn unused_link(&self, other: &Self) -> Link {
        let is_used = |link: Link| self.get(link).or(other.get(link)).is_some();
        (0..u16::MAX).map(Link).find(|link| !is_used(*link)).unwrap_or(Link(u16::MAX))
    }
}
