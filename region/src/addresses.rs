//! What this machine is called and where it can be reached, as far as it knows itself.

use std::net::{IpAddr, SocketAddr};

/// Its host name, unless it has none of its own.
pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty() && name != "localhost" && name != "(none)").then_some(name)
}

/// Addresses that others can use: not loopback, not link-local, each once.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = nix::ifaddrs::getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .filter(|address| usable(*address))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    }
}

/// Names for a certificate: what was configured, what the machine knows of itself, and loopback.
pub(crate) fn certificate_names(configured: &[String]) -> Vec<String> {
    let mut names: Vec<String> = configured.to_vec();
    names.extend(host_name());
    names.push("localhost".into());
    names.extend(addresses().iter().map(ToString::to_string));
    names.extend(["127.0.0.1".into(), "::1".into()]);
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// `HOST:PORT` of a listener for those who come from elsewhere: what was configured, else all that the machine knows of itself.
pub(crate) fn reachable(configured: &[String], listening: &[SocketAddr]) -> Vec<String> {
    let port = listening.first().map_or(0, SocketAddr::port);
    if !configured.is_empty() {
        return configured.iter().map(|address| with_port(address, port)).collect();
    }
    let everywhere = listening.iter().any(|address| address.ip().is_unspecified());
    let own: Vec<IpAddr> =
        if everywhere { addresses() } else { listening.iter().map(SocketAddr::ip).collect() };
    let name = host_name().filter(|_| everywhere).map(|name| format!("{name}:{port}"));
    let own = own.into_iter().map(|address| SocketAddr::new(address, port).to_string());
    let mut all: Vec<String> = own.take(MOST).chain(name).collect();
    if all.is_empty() {
        all.push(SocketAddr::new([127, 0, 0, 1].into(), port).to_string());
    }
    all
}

/// A token is copied by people.
const MOST: usize = 4;

fn with_port(address: &str, port: u16) -> String {
    match address.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) if address.contains(':') => address.into(),
        Err(_) => format!("{address}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn racks_are_told_addresses_with_ports() {
        let listening: Vec<SocketAddr> = vec!["[::]:7241".parse().unwrap()];
        for (configured, expected) in [
            ("region.example", "region.example:7241"),
            ("region.example:99", "region.example:99"),
            ("10.0.0.1", "10.0.0.1:7241"),
            ("2001:db8::1", "[2001:db8::1]:7241"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99"),
        ] {
            assert_eq!(reachable(&[configured.into()], &listening), [expected]);
        }
        let one = ["127.0.0.1:99".parse().unwrap()];
        assert_eq!(reachable(&[], &one), ["127.0.0.1:99"]);
        assert!(reachable(&[], &listening).iter().all(|address| address.ends_with(":7241")));
    }
}
