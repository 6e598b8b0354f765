//! Who has a port, so that an operator need not look for it.

use std::{fs, os::unix::ffi::OsStrExt, path::Path};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// The processes that have this port in this network namespace: `dnsmasq (process 812)`.
pub fn describe(transport: Transport, port: u16) -> String {
    let table = match transport {
        Transport::Udp => "/proc/net/udp",
        Transport::Tcp => "/proc/net/tcp",
    };
    let table = fs::read_to_string(table).unwrap_or_default();
    let owners = owners(&inodes(&table, port));
    if owners.is_empty() { "another process".into() } else { owners.join(" and ") }
}

/// Of the sockets in a table such as /proc/net/udp that are bound to the port.
fn inodes(table: &str, port: u16) -> Vec<u64> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        let (_, local) = fields.nth(1)?.rsplit_once(':')?;
        let inode = fields.nth(7)?.parse().ok()?;
        (u16::from_str_radix(local, 16) == Ok(port)).then_some(inode)
    };
    table.lines().skip(1).filter_map(line).collect()
}

fn owners(inodes: &[u64]) -> Vec<String> {
    let links: Vec<_> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if process != std::process::id() && has_open(&entry.path(), &links) {
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{} (process {process})", command.trim()));
        }
    }
    found
}

fn has_open(process: &Path, links: &[String]) -> bool {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| links.iter().any(|link| target.as_os_str().as_bytes() == link.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_table_is_read() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n\
             98: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41897 2 0000000000000000 0\n\
             99: 0100007F:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 41898 2 0000000000000000 0\n";
        assert_eq!(inodes(table, 67), [41897]);
        assert!(inodes(table, 69).is_empty());
    }
}
