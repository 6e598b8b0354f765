//! The address map of an IPv4 prefix: each address as a cell, or blocks of them with how full they are.

use common::{Cidr, IpRange};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use super::words;

/// What is known of one prefix, as its map shows it.
pub(super) struct Known {
    pub(super) cidr: Cidr,
    pub(super) gateway: Option<IpAddr>,
    /// The range, and whether it is dynamic.
    pub(super) ranges: Vec<(IpRange, bool)>,
    /// Address, who it is for, and its page.
    pub(super) reservations: Vec<(IpAddr, String, String)>,
    /// Address, state, who has it, and its page.
    pub(super) leases: Vec<Held>,
}

pub(super) struct Held {
    pub(super) address: IpAddr,
    pub(super) state: String,
    pub(super) who: String,
    pub(super) page: String,
}

pub(super) struct Map {
    pub(super) rows: Vec<MapRow>,
    pub(super) legend: Vec<(Use, u32)>,
    /// Addresses in the longest stretch of free dynamic ones.
    pub(super) largest_free: u32,
    /// So many cells that none says who has it until it is asked: a page of thousands of names would be heavy.
    pub(super) brief: bool,
}

pub(super) struct MapRow {
    pub(super) label: String,
    /// Begins a line only where lines are short.
    pub(super) narrow: bool,
    pub(super) cells: Vec<MapCell>,
}

#[derive(Clone)]
pub(super) struct MapCell {
    pub(super) used: Use,
    pub(super) ip: String,
    /// Behind the address.
    pub(super) what: &'static str,
    /// Who has it; empty if nobody has.
    pub(super) who: String,
    pub(super) page: String,
}

impl MapCell {
    pub(super) fn said(&self) -> String {
        match self.who.as_str() {
            "" => self.what.to_owned(),
            who => format!("{}, {who}", self.what),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Use {
    Leased,
    Dynamic,
    Reserved,
    Free,
    Infrastructure,
    HeldBack,
    Declined,
}

impl Use {
    const ALL: [Self; 7] = [
        Self::Leased,
        Self::Dynamic,
        Self::Reserved,
        Self::Free,
        Self::Infrastructure,
        Self::HeldBack,
        Self::Declined,
    ];

    /// The class that the style sheet knows it by.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Leased => "l",
            Self::Dynamic => "d",
            Self::Reserved => "s",
            Self::Free => "f",
            Self::Infrastructure => "i",
            Self::HeldBack => "r",
            Self::Declined => "x",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::Dynamic => "free, dynamic",
            Self::Reserved => "reservation",
            Self::Free => "free, static",
            Self::Infrastructure => "gateway",
            Self::HeldBack => "held back",
            Self::Declined => "found in use",
        }
    }

    pub(super) fn tone(self) -> &'static str {
        match self {
            Self::Leased | Self::Reserved | Self::Infrastructure => "ok",
            Self::Declined => "bad",
            Self::Dynamic | Self::Free | Self::HeldBack => "off",
        }
    }
}

/// A row shows this many; half of it where the screen is narrow.
const ROW: u32 = 32;
/// Cell by cell up to a /20.
const MOST: u32 = 1 << 12;
/// Beyond this it is brief.
const NAMED: u32 = 1 << 10;

/// None: not IPv4, or more than can be shown cell by cell.
pub(super) fn map(known: &Known) -> Option<Map> {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (known.cidr.first(), known.cidr.last()) else {
        return None;
    };
    let (first, last) = (u32::from(first), u32::from(last));
    if last - first >= MOST {
        return None;
    }
    let uses = uses(known);
    let cells: Vec<MapCell> = (first..=last).map(|at| cell(known, &uses, at)).collect();
    let count = |used| cells.iter().filter(|cell| cell.used == used).count() as u32;
    let legend = Use::ALL.map(|used| (used, count(used)));
    let largest_free =
        cells.split(|cell| cell.used != Use::Dynamic).map(<[_]>::len).max().unwrap_or_default();
    let mut rows = Vec::new();
    let mut at = first;
    let mut cells = cells.into_iter().peekable();
    while cells.peek().is_some() {
        rows.push(MapRow {
            label: label(at, last - first),
            narrow: (at - first) % ROW != 0,
            cells: cells.by_ref().take(ROW as usize / 2).collect(),
        });
        at = at.saturating_add(ROW / 2);
    }
    Some(Map {
        rows,
        legend: legend.into_iter().filter(|(_, count)| *count > 0).collect(),
        largest_free: largest_free as u32,
        brief: last - first >= NAMED,
    })
}

fn label(at: u32, span: u32) -> String {
    let [_, _, third, fourth] = Ipv4Addr::from(at).octets();
    if span < 256 { format!(".{fourth}") } else { format!(".{third}.{fourth}") }
}

type Uses<'a> = HashMap<u32, (Use, &'a str, &'a str)>;

/// Of the addresses that somebody has; what has more weight comes later.
fn uses(known: &Known) -> Uses<'_> {
    let mut uses = Uses::new();
    let mut note = |address: IpAddr, used| {
        if let IpAddr::V4(address) = address {
            uses.insert(u32::from(address), used);
        }
    };
    for (address, who, page) in &known.reservations {
        note(*address, (Use::Reserved, who, page));
    }
    for held in &known.leases {
        match held.state.as_str() {
            "bound" => note(held.address, (Use::Leased, &held.who, &held.page)),
            "declined" => note(held.address, (Use::Declined, &held.who, &held.page)),
            _ => {}
        }
    }
    if let Some(gateway) = known.gateway {
        note(gateway, (Use::Infrastructure, "", ""));
    }
    uses
}

fn cell(known: &Known, uses: &Uses<'_>, at: u32) -> MapCell {
    let address = Ipv4Addr::from(at);
    let (used, who, page) = match uses.get(&at) {
        Some(found) => *found,
        None => (unused(known, address), "", ""),
    };
    let what = match who {
        "" => end_of(known, address).unwrap_or(used.name()),
        _ => used.name(),
    };
    MapCell { used, ip: address.to_string(), what, who: who.to_owned(), page: page.to_owned() }
}

fn unused(known: &Known, address: Ipv4Addr) -> Use {
    let within = known.ranges.iter().find(|(range, _)| range.contains(address.into()));
    match within {
        Some((_, true)) => Use::Dynamic,
        Some((_, false)) => Use::HeldBack,
        None if end_of(known, address).is_some() => Use::HeldBack,
        None => Use::Free,
    }
}

/// The two addresses that no machine can have (RFC 3021 knows none in a /31).
fn end_of(known: &Known, address: Ipv4Addr) -> Option<&'static str> {
    let address = IpAddr::V4(address);
    match known.cidr.length() {
        31.. => None,
        _ if address == known.cidr.first() => Some("network address"),
        _ if address == known.cidr.last() => Some("broadcast address"),
        _ => None,
    }
}

/// A stretch of a large prefix, and how many of it are leased.
pub(super) struct Block {
    pub(super) name: String,
    pub(super) held: u64,
    pub(super) size: u64,
    /// DHCP gives some of its addresses.
    pub(super) dynamic: bool,
}

impl Block {
    /// What of its address differs from block to block.
    pub(super) fn label(&self) -> String {
        let parts: Vec<&str> = self.name.split(['.', '/']).collect();
        match parts.as_slice() {
            [_, second, _, _, "16"] => format!(".{second}.0.0"),
            [_, _, third, ..] => format!(".{third}.0"),
            _ => String::new(),
        }
    }

    /// Of twenty steps; what is held at all is seen.
    pub(super) fn height(&self) -> u64 {
        (self.held * 20).div_ceil(self.size.max(1)).min(20)
    }

    pub(super) fn said(&self) -> String {
        format!(
            "{}: {} of {} leased",
            self.name,
            words::number(self.held),
            words::number(self.size)
        )
    }
}

/// How long the prefixes of its blocks are.
pub(super) fn block_length(cidr: Cidr) -> u8 {
    if cidr.length() < 16 { 16 } else { 24 }
}

/// Every block of a prefix too large for cells, with what is held in each that has any.
pub(super) fn blocks(
    cidr: Cidr,
    ranges: &[(IpRange, bool)],
    held: &HashMap<u32, u64>,
) -> Vec<Block> {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (cidr.first(), cidr.last()) else {
        return Vec::new();
    };
    let length = block_length(cidr);
    let size = 1_u64 << (32 - length);
    let (first, last) = (u64::from(u32::from(first)), u64::from(u32::from(last)));
    let starts = (first..=last).step_by(size as usize);
    starts
        .map(|start| {
            let start = start as u32;
            let end = IpAddr::from(Ipv4Addr::from(start + (size - 1) as u32));
            let first = IpAddr::from(Ipv4Addr::from(start));
            let meets = |range: &IpRange| range.first() <= end && range.last() >= first;
            Block {
                dynamic: ranges.iter().any(|(range, dynamic)| *dynamic && meets(range)),
                name: format!("{}/{length}", Ipv4Addr::from(start)),
                held: held.get(&start).copied().unwrap_or_default(),
                size,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(cidr: &str) -> Known {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let range = |first, last| IpRange::new(ip(first), ip(last)).unwrap();
        let held = |address: &str, state: &str| Held {
            address: ip(address),
            state: state.into(),
            who: "52:54:00:00:00:01".into(),
            page: format!("/leases/{address}"),
        };
        Known {
            cidr: cidr.parse().unwrap(),
            gateway: Some(ip("10.0.0.1")),
            ranges: vec![
                (range("10.0.0.8", "10.0.0.15"), true),
                (range("10.0.0.20", "10.0.0.23"), false),
            ],
            reservations: vec![(ip("10.0.0.5"), "db1".into(), "/reservations/10.0.0.5".into())],
            leases: vec![
                held("10.0.0.9", "bound"),
                held("10.0.0.10", "declined"),
                held("10.0.0.11", "expired"),
            ],
        }
    }

    #[test]
    fn every_address_has_one_use() {
        let map = map(&known("10.0.0.0/27")).unwrap();
        let drawn: String = map
            .rows
            .iter()
            .flat_map(|row| row.cells.iter().map(|cell| cell.used.class()))
            .collect();
        assert_eq!(drawn, "rifffsffdlxddddd".to_owned() + "ffffrrrrfffffffr");
        assert_eq!(map.largest_free, 5);
        let said: Vec<_> = map.rows[0].cells.iter().map(MapCell::said).collect();
        assert_eq!(said[..2], ["network address", "gateway"]);
        assert_eq!([&said[5], &said[9]], ["reservation, db1", "leased, 52:54:00:00:00:01"]);
        assert_eq!((map.rows[0].narrow, map.rows[1].narrow), (false, true));
    }

    #[test]
    fn only_small_prefixes_of_ipv4_go_cell_by_cell() {
        for (cidr, cells) in [
            ("10.0.0.0/20", Some(4096)),
            ("10.0.0.0/19", None),
            ("10.0.0.0/31", Some(2)),
            ("0.0.0.0/0", None),
            ("2001:db8::/120", None),
        ] {
            let map = map(&Known { gateway: None, ..known(cidr) });
            assert!(map.as_ref().is_none_or(|map| map.brief == (cidr == "10.0.0.0/20")));
            let drawn = map.map(|map| map.rows.iter().map(|row| row.cells.len()).sum::<usize>());
            assert_eq!(drawn, cells, "{cidr}");
        }
    }

    #[test]
    fn large_prefixes_go_by_blocks() {
        let start = u32::from(Ipv4Addr::new(10, 0, 1, 0));
        let held = HashMap::from([(start, 64)]);
        let range = IpRange::new("10.0.1.200".parse().unwrap(), "10.0.3.4".parse().unwrap());
        let ranges = [(range.unwrap(), true)];
        for (cidr, second, dynamic) in [
            ("10.0.0.0/16", "10.0.1.0/24: 64 of 256 leased", &[1, 2, 3][..]),
            ("10.0.0.0/8", "10.1.0.0/16: 0 of 65,536 leased", &[0]),
        ] {
            let blocks = blocks(cidr.parse().unwrap(), &ranges, &held);
            assert_eq!((blocks.len(), blocks[1].said().as_str()), (256, second));
            let found: Vec<_> = (0..256).filter(|at| blocks[*at].dynamic).collect();
            assert_eq!(found, dynamic);
        }
    }
}
