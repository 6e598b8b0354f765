//! The machine's network interfaces, and word of every change.

use common::MacAddr;
use ipnet::Ipv4Net;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags, sys::socket::SockaddrStorage};
use runtime::tasks::Tasks;
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    /// The kernel's number: another one is another interface, though the name be the same.
    pub index: usize,
    pub mac: Option<MacAddr>,
    /// As an administrator wants it; a pulled cable is not "down".
    pub up: bool,
    pub addresses: Vec<(IpAddr, u8)>,
}

impl Interface {
    pub fn ipv4(&self) -> Vec<Ipv4Net> {
        let nets = self.addresses.iter().filter_map(|(address, length)| match address {
            IpAddr::V4(address) => Ipv4Net::new(*address, *length).ok(),
            IpAddr::V6(_) => None,
        });
        nets.collect()
    }
}

/// By name.
pub type Interfaces = Arc<[Interface]>;

/// How soon a change is noticed. Reading the list takes some 50 us.
const PERIOD: Duration = Duration::from_secs(1);

/// As they are now, then again after each change.
pub fn watch(tasks: &Tasks) -> io::Result<watch::Receiver<Interfaces>> {
    let (sender, receiver) = watch::channel(list()?);
    let shutdown = tasks.shutdown();
    tasks.spawn("interfaces", async move {
        let mut turn = interval(PERIOD);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                () = shutdown.cancelled() => return,
            }
            match list() {
                Ok(found) => {
                    sender.send_if_modified(|known| {
                        let changed = *known != found;
                        *known = found;
                        changed
                    });
                }
                Err(error) => tracing::warn!(%error, "the network interfaces cannot be listed"),
            }
        }
    });
    Ok(receiver)
}

pub fn list() -> io::Result<Interfaces> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        let own = found.entry(entry.interface_name.clone()).or_insert_with(|| Interface {
            name: entry.interface_name.clone(),
            index: 0,
            mac: None,
            up: entry.flags.contains(InterfaceFlags::IFF_UP),
            addresses: Vec::new(),
        });
        let Some(address) = entry.address else { continue };
        if let Some(link) = address.as_link_addr() {
            own.index = link.ifindex();
            own.mac = link.addr().filter(|octets| *octets != [0; 6]).map(MacAddr::new);
        } else if let Some(ip) = ip(&address) {
            own.addresses.push((ip, entry.netmask.as_ref().and_then(mask_length).unwrap_or(0)));
        }
    }
    let mut all: Vec<Interface> = found.into_values().collect();
    all.iter_mut().for_each(|interface| interface.addresses.sort_unstable());
    Ok(all.into())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
    four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
}

fn mask_length(mask: &SockaddrStorage) -> Option<u8> {
    let ones = match ip(mask)? {
        IpAddr::V4(mask) => Ipv4Addr::to_bits(mask).leading_ones(),
        IpAddr::V6(mask) => Ipv6Addr::to_bits(mask).leading_ones(),
    };
    u8::try_from(ones).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_listed_with_its_address() {
        let all = list().unwrap();
        let lo = all.iter().find(|interface| interface.name == "lo").unwrap();
        assert!(lo.mac.is_none());
        assert!(lo.index > 0);
        assert!(!lo.up || lo.addresses.contains(&([127, 0, 0, 1].into(), 8)), "{lo:?}");
    }
}
