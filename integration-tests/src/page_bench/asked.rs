//! Every page of the console, and of its lists every order and what finds little.

use super::stock::{FULL, LARGE, MAPPED, TAIL};
use anyhow::Context;
use proto::describe;

/// A page, and where it is.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) path: String,
    /// How it goes on in the middle of its list: there is a list of `noun` in `order`, through `filter`.
    pub(super) deep: Option<Deep>,
}

pub(super) struct Deep {
    pub(super) noun: &'static str,
    pub(super) order: String,
    pub(super) filter: String,
}

const PAGES: &[(&str, &str)] = &[
    ("overview", "/"),
    ("events", "/events"),
    ("events of a kind", "/events?filter=kind%3Dsubnet"),
    ("events worse than usual", "/events?filter=level%21%3Dinfo"),
    ("events of one error", "/events?filter=level%3Derror"),
    ("fabrics", "/fabrics"),
    ("a fabric", "/fabrics/dc1"),
    ("VLANs", "/vlans"),
    ("a VLAN", "/vlans/dc1/100"),
    ("VRFs", "/vrfs"),
    ("a VRF of 5,000 subnets", "/vrfs/default"),
    ("ranges", "/ranges"),
    ("reservations", "/reservations"),
    ("racks", "/racks"),
    ("a rack", "/racks/source"),
    ("machines", "/machines"),
    ("a machine", "/machines/m0500"),
    ("interfaces", "/interfaces"),
    ("boot profiles", "/boot-profiles"),
    ("boot files", "/boot-files"),
    ("boot attempts", "/boot-attempts"),
    ("users", "/users"),
    ("tokens", "/tokens"),
    ("audit", "/audit"),
    ("audit of an actor", "/audit?actor=nobody"),
    ("system", "/system"),
    ("account", "/account"),
    ("a new subnet's form", "/subnets?do=create"),
    ("a lease", "/leases/100.64.1.1"),
    ("find an address", "/find?as=json&q=100.64.1.1"),
    ("find a MAC", "/find?as=json&q=02:5b:00:00:30:39"),
    ("find a prefix", "/find?as=json&q=10.1.1.0/24"),
    ("find a part of a name", "/find?as=json&q=host-99"),
    ("find what is nowhere", "/find?as=json&q=nobody"),
];

/// Filters of leases; most of them let none or few of all through.
const OF_LEASES: &[(&str, &str)] = &[
    ("of a MAC", "mac=02:5b:00:00:30:39"),
    ("of a MAC that none has", "mac=02:00:00:00:00:01"),
    ("with a part of a MAC", "mac~00:30:39"),
    ("with a part of an address", "key~100.64.9.9"),
    ("with a part of an address that none has", "key~999"),
    ("of a state that none is in", "state=released"),
    ("of a state that all are in", "state=bound"),
    ("of any other state", "state!=bound"),
    ("of a host name", "host_name=host-77777"),
    ("with a part of a name", "host_name~-9999"),
    ("with a part of a name that none has", "host_name~nobody"),
    ("with a part of a client identifier that none has", "client_id~ff"),
    ("with relay information that none has", "relay_information~ff"),
    ("of a rack", "rack=source"),
    ("of racks with a part of a name", "rack~sour"),
    ("of a VLAN that has none", "vlan=dc1/100"),
    ("of VLANs with a part of a name", "vlan~dc1/10"),
    ("that ended long ago", "ends_at<2020-01-01T00:00:00Z"),
    ("begun in the future", "started_at>2100-01-01T00:00:00Z"),
];

const OF_SUBNETS: &[(&str, &str)] = &[
    ("with a part of a note", "note~room 50"),
    ("with a part of a note that none has", "note~nowhere"),
    ("of a VLAN", "vlan=dc1/120"),
    ("of a VRF", "vrf=default"),
    ("of a prefix", "cidr=10.9.9.0/24"),
    ("that nobody serves", "unmanaged=true"),
    ("of a domain that none has", "domain=nowhere.example"),
];

pub(super) fn everything() -> anyhow::Result<Vec<Asked>> {
    let plain = |name: &str, path: &str| Asked { name: name.into(), path: path.into(), deep: None };
    let mut asked: Vec<Asked> = PAGES.iter().map(|(name, path)| plain(name, path)).collect();
    for (name, subnet) in [
        ("a subnet with a map", MAPPED),
        ("a subnet with a full map of 4,096", FULL),
        ("a subnet of many leases, by blocks", LARGE),
    ] {
        asked.push(plain(name, &format!("/subnets/{subnet}")));
    }
    for tab in ["ranges", "reservations", "options", "changes"] {
        asked.push(plain(&format!("a subnet's {tab}"), &format!("/subnets/{MAPPED}?tab={tab}")));
    }
    for (noun, filters) in [
        ("lease", OF_LEASES),
        ("subnet", OF_SUBNETS),
        ("machine", &[("with a part of a serial number", "serial~x")]),
    ] {
        lists(&mut asked, noun, filters)?;
    }
    // The worst that a filter and an order can do to each other: what is let through lies together at the far end, or is most of all.
    for (name, subnet) in [("few", MAPPED), ("some", TAIL), ("many", LARGE)] {
        for order in ["", "ends_at desc", "address", "host_name"] {
            let words = format!("leases of a subnet of {name}");
            asked.push(list(("lease", "leases"), &words, order, &format!("subnet={subnet}")));
        }
    }
    Ok(asked)
}

/// A list as it is, in each order, deep inside each order, and through each filter.
fn lists(
    asked: &mut Vec<Asked>,
    noun: &'static str,
    filters: &[(&str, &str)],
) -> anyhow::Result<()> {
    let kind = describe::kind(noun).context("a kind of the contract")?;
    let of = (noun, kind.plural.as_str());
    asked.push(list(of, &kind.plural, "", ""));
    let fields = kind.fields.iter().filter(|field| field.refers_to.is_empty() && !field.is_list());
    let columns =
        fields.map(|field| field.name.as_str()).chain(["key", "created_at", "updated_at"]);
    for order in columns.flat_map(|column| [column.to_owned(), format!("{column} desc")]) {
        let first = list(of, &format!("{} by {order}", kind.plural), &order, "");
        let deep = Deep { noun, order, filter: String::new() };
        let (name, path) = (format!("{}, in the middle", first.name), first.path.clone());
        asked.extend([first, Asked { name, path, deep: Some(deep) }]);
    }
    for (words, filter) in filters {
        asked.push(list(of, &format!("{} {words}", kind.plural), "", filter));
    }
    Ok(())
}

fn list((_, plural): (&str, &str), name: &str, order: &str, filter: &str) -> Asked {
    let sort = match order.strip_suffix(" desc") {
        Some(column) => format!("-{column}"),
        None => order.to_owned(),
    };
    let parts = [("sort", sort.as_str()), ("filter", filter)];
    let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<String> =
        parts.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let name = match (order, filter) {
        (order, filter) if !order.is_empty() && !filter.is_empty() => format!("{name} by {order}"),
        _ => name.to_owned(),
    };
    let path = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    Asked { name, path: format!("/{plural}{path}"), deep: None }
}

/// As the part of an address behind the question mark (RFC 3986 section 2.1).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'/' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
