//! The MAC address behind an address, as the kernel knows it from having spoken with it: of machines on the rack's own links, and of no others.

use common::MacAddr;
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
};

pub(super) fn mac(address: IpAddr) -> Option<MacAddr> {
    let IpAddr::V4(address) = address else { return None };
    find(&fs::read_to_string("/proc/net/arp").unwrap_or_default(), address)
}

/// Columns: address, hardware type, flags, MAC address, mask, device. Without its flags an entry is being asked for.
fn find(table: &str, address: Ipv4Addr) -> Option<MacAddr> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let own = fields.next()?.parse() == Ok(address);
        let known = fields.nth(1)? != "0x0";
        let mac = fields.next()?.parse().ok()?;
        (own && known).then_some(mac)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
             10.0.0.9         0x1         0x2         52:54:00:12:34:56     *        eth1\n\
             10.0.0.10        0x1         0x0         00:00:00:00:00:00     *        eth1\n";
        assert_eq!(find(table, [10, 0, 0, 9].into()), "52:54:00:12:34:56".parse().ok());
        assert_eq!(find(table, [10, 0, 0, 10].into()), None);
        assert_eq!(find(table, [10, 0, 0, 1].into()), None);
        assert_eq!(find("", [10, 0, 0, 1].into()), None);
    }
}
