//! What clients of a subnet are told, each value with the place that sets it.

use common::dhcp_options;
use prost_reflect::DynamicMessage;

use super::subnet::text;

pub(super) struct OptionRow {
    pub(super) code: u8,
    pub(super) name: String,
    pub(super) value: String,
    pub(super) set_by: String,
    pub(super) standard: &'static str,
}

/// Options that fields of a subnet stand for.
const FIELDS: &[(u8, &str)] = &[
    (3, "gateway"),
    (6, "dns_servers"),
    (15, "domain"),
    (42, "ntp_servers"),
    (66, "next_server"),
    (67, "boot_file"),
    (119, "search"),
    (121, "routes"),
];

const MTU: u8 = 26;
const LEASE_TIME: u8 = 51;

/// In order of code.
pub(super) fn told(subnet: &DynamicMessage, vlan: Option<&DynamicMessage>) -> Vec<OptionRow> {
    let own = format!("subnet {}", proto::describe::meta(subnet, "key"));
    let mut rows: Vec<OptionRow> = FIELDS
        .iter()
        .filter_map(|(code, field)| row(*code, text(subnet, field), own.clone()))
        .collect();
    let number = |text: String| Some(text).filter(|text| !text.is_empty() && text != "0");
    let of_vlan = || {
        let vlan = vlan?;
        Some((number(text(vlan, "mtu"))?, format!("VLAN {}", proto::describe::meta(vlan, "key"))))
    };
    let mtu = number(text(subnet, "mtu")).map(|mtu| (mtu, own.clone())).or_else(of_vlan);
    rows.extend(mtu.and_then(|(mtu, set_by)| row(MTU, mtu, set_by)));
    let seconds = number(text(subnet, "lease_seconds"));
    let set_by = if seconds.is_some() { own.clone() } else { "region".to_owned() };
    let usual = || common::Lifetime::DEFAULT.seconds().to_string();
    rows.extend(row(LEASE_TIME, seconds.unwrap_or_else(usual) + " s", set_by));
    for setting in text(subnet, "options").split(", ").filter(|setting| !setting.is_empty()) {
        let Some((name, value)) = setting.split_once('=') else { continue };
        let Ok(option) = dhcp_options::find(name) else { continue };
        rows.extend(row(option.code, value.to_owned(), own.clone()));
    }
    rows.sort_by_key(|row| row.code);
    rows
}

/// None: it is not told.
fn row(code: u8, value: String, set_by: String) -> Option<OptionRow> {
    if value.is_empty() {
        return None;
    }
    let option = dhcp_options::by_code(code);
    Some(OptionRow {
        code,
        name: option.map_or_else(|| code.to_string(), |option| option.name.replace('-', " ")),
        value,
        set_by,
        standard: option.map_or("", |option| option.rfc),
    })
}
