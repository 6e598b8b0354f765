//! Examples of the configuration file. What is said of VLANs is the contract's own documentation, so it cannot differ from it.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use proto::describe;
use std::collections::BTreeSet;

use super::message;

/// For `hostler-rack run`.
pub fn with_region() -> String {
    format!("{WITH_REGION}\n{COMMON}")
}

/// For `hostler-rack serve`.
pub fn standalone() -> String {
    format!("{STANDALONE}\n{COMMON}\n{}\n{BOOT}", explained(VLANS))
}

const WITH_REGION: &str = "\
# A rack that a region tells what to do. It is a member of that region by `hostler-rack join TOKEN`.
# Everything has a default; what is commented out shows it.

# Where region is, tried in turn: names, IPv4 addresses, IPv6 addresses in brackets. Without it: as the join token said.
# region = [\"region.example:7241\", \"[2001:db8::1]:7241\"]
";

const STANDALONE: &str = "\
# A rack that serves what stands here, with no region: `hostler-rack serve --config FILE`.
# Everything above the VLANs has a default; what is commented out shows it.
";

const COMMON: &str = "\
# Leases, and what the rack was told.
# state-directory = \"/var/lib/hostler-rack\"

# Where `hostler-rack status` asks.
# status-socket = \"/run/hostler-rack/status.sock\"

# Prometheus metrics, as plain HTTP.
# metrics = \"127.0.0.1:7252\"

# Which VLAN an interface leads into. Without it: the one VLAN that has a subnet with an address of the interface in it.
# [interfaces]
# eth1 = \"dc1/10\"

# The lease log, in MiB: three segments are made at the start; the outbox keeps what region has not recorded yet.
# [leases]
# segment = 64
# outbox = 1024

# What machines boot is served by HTTP on this port, below /boot/, and by TFTP. Files are kept in cache, at most cache-limit MiB of them; without
# cache: in the state directory.
# [boot]
# tftp = true
# http-port = 7280
# cache = \"/var/lib/hostler-rack/boot-files\"
# cache-limit = 20480

# format is text or json; filter is a level, or finer: \"info,rack::link=debug\".
# [log]
# format = \"text\"
# filter = \"info\"
";

/// Every field of a VLAN at least once, without comments: those are the contract's.
const VLANS: &str = r#"[[dhcp]]
id = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
name = "dc1/10"
role = "primary"
proxy = false

[[dhcp.subnets]]
id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
prefix = "10.0.0.0/24"
ranges = [{ first = "10.0.0.100", last = "10.0.0.199" }]
lease-seconds = 600
next-server = "10.0.0.2"
boot-file = "bootx64.efi"
disabled-boot-architectures = ["bios"]

[[dhcp.subnets.options]]
name = "routers"
value = "10.0.0.1"

[[dhcp.subnets.options]]
name = "domain-name-servers"
value = "10.0.0.53, 10.0.1.53"

[[dhcp.subnets.reservations]]
address = "10.0.0.10"
mac = "52:54:00:12:34:56"
host-name = "n1"
options = [{ name = "domain-name-servers", value = "10.0.0.54" }]
next-server = "10.0.0.3"
boot-file = "n1.efi"

[[dhcp.subnets.reservations]]
address = "10.0.0.11"
client-id = "01525400123457"
"#;

/// Commented out, since its sources must be there.
const BOOT: &str = r#"# What machines boot: files of this machine, the first program of each architecture, and what it is told to do then. Texts may have fields in braces:
# {name}, {mac}, {mac-hyphens}, {uuid}, {serial}, {arch}, {address}, {server}, {url}.
#[boot.config]
#default-profile = "installer"
#files = [
#  { path = "ipxe/snponly.efi", source = "/usr/lib/ipxe/snponly.efi" },
#  { path = "debian/linux", source = "/srv/debian/linux" },
#  { path = "debian/initrd.gz", source = "/srv/debian/initrd.gz" },
#]
#loaders = [{ architecture = "uefi-x64", path = "ipxe/snponly.efi" }]
#machines = [{ name = "n1", macs = ["52:54:00:12:34:56"], profile = "disk" }]
#profiles = [
#  { name = "disk", local-disk = {} },
#  { name = "installer", kernel = { kernel = "debian/linux", initrds = ["debian/initrd.gz"], command-line = "hostname={name}" } },
#]
"#;

/// The same with each field's documentation above the first line that gives it.
fn explained(text: &str) -> String {
    let mut explained = String::new();
    let mut said = BTreeSet::new();
    let mut within = message::message(VLAN);
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("[[").and_then(|line| line.strip_suffix("]]")) {
            let (message, field) = table(path);
            if let Some(field) = field {
                say(&field, &mut said, &mut explained);
            }
            within = message;
        } else if let Some((name, _)) = line.split_once(" = ")
            && let Some(field) = within.get_field_by_name(&name.replace('-', "_"))
        {
            say(&field, &mut said, &mut explained);
        }
        explained.push_str(line);
        explained.push('\n');
    }
    explained
}

const VLAN: &str = "hostler.v1.DhcpVlan";

/// The message that a table's header opens, and the field of its parent; `dhcp` itself is of no message.
fn table(path: &str) -> (MessageDescriptor, Option<FieldDescriptor>) {
    let mut at = (message::message(VLAN), None);
    for name in path.split('.').skip(1) {
        let field = at.0.get_field_by_name(&name.replace('-', "_"));
        let field = field.expect("the example's tables are the contract's");
        let Kind::Message(below) = field.kind() else { continue };
        at = (below, Some(field));
    }
    at
}

fn say(field: &FieldDescriptor, said: &mut BTreeSet<String>, text: &mut String) {
    let about = describe::about(field);
    if said.insert(field.full_name().to_owned()) && !about.is_empty() {
        text.push_str(&format!("# {about}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RackConfig;
    use runtime::config_file;

    /// With the comment signs before settings taken off: what is shown as the default is read, and is it.
    fn uncommented(text: &str) -> String {
        let setting = |line: &str| line.starts_with('[') || line.split(' ').nth(1) == Some("=");
        let lines = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if setting(rest) => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn examples_are_configurations_and_show_the_defaults() {
        let defaults = RackConfig::default();
        for text in [with_region(), standalone()] {
            config_file::parse::<RackConfig>(&text).unwrap();
            let shown: RackConfig = config_file::parse(&uncommented(&text)).unwrap();
            assert_eq!(shown.state_directory, defaults.state_directory);
            assert_eq!(shown.status_socket, defaults.status_socket);
            assert_eq!(shown.metrics, defaults.metrics);
            assert_eq!(shown.leases.segment, defaults.leases.segment);
            assert_eq!(shown.leases.outbox, defaults.leases.outbox);
            assert_eq!(shown.boot.tftp, defaults.boot.tftp);
            assert_eq!(shown.boot.http_port, defaults.boot.http_port);
            assert_eq!(shown.boot.cache_limit, defaults.boot.cache_limit);
            assert_eq!(shown.log.format, defaults.log.format);
            assert_eq!(shown.log.filter, defaults.log.filter);
            assert_eq!(shown.interfaces["eth1"], "dc1/10");
        }
    }

    #[test]
    fn the_example_shows_and_explains_every_field_of_a_vlan() {
        let text = standalone();
        let mut messages = vec![message::message(VLAN)];
        while let Some(message) = messages.pop() {
            for field in message.fields() {
                let key = message::key(&field);
                assert!(text.contains(&key), "{} is not shown", field.full_name());
                let about = describe::about(&field);
                let inline = message.name() == "AddressRange";
                assert!(inline || text.contains(&about), "{} is not explained", field.full_name());
                if let Kind::Message(below) = field.kind() {
                    messages.push(below);
                }
            }
        }
    }
}
