//! A subnet: who has each address, how much is left, what clients are told and who said so.

use askama::Template;
use axum::response::Response;
use common::{Cidr, Id, Timestamp};
use plan::Subnet;
use prost_reflect::DynamicMessage;
use proto::{describe::meta, v1};
use std::{net::IpAddr, sync::Arc};
use uuid::Uuid;

use super::{
    Console, Fault,
    actions::Actions,
    badge::Badge,
    bulk::Bulk,
    cells::{self, Cell, Pair, Tone},
    frame::{self, Frame},
    history::{self, Change},
    map::{self, Block, Held, Known, Map, MapCell},
    options::{self, OptionRow},
    query::Query,
    table::{self, Table},
    visitor::Visitor,
    words,
};
use crate::{
    auth::Verb,
    events::{self, Cursor},
    operations::{OperationError, Tx, erased::AnyResource, list::Page, usage},
    resources,
};

#[derive(Template)]
#[template(path = "subnet.html")]
struct SubnetPage {
    frame: Frame,
    key: String,
    badge: Option<Badge>,
    vlan: Cell,
    vrf: Cell,
    note: String,
    servers: Vec<Cell>,
    tabs: Vec<(String, String, bool)>,
    tab: &'static str,
    map: Option<Map>,
    blocks: Vec<Block>,
    chosen: Option<Chosen>,
    dynamic: u64,
    held: u64,
    largest_free: Option<u32>,
    table: Option<Table>,
    add: Option<(String, String)>,
    options: Vec<OptionRow>,
    pairs: Vec<Pair>,
    changes: Vec<Change>,
    actions: Actions,
}

impl SubnetPage {
    fn is_chosen(&self, cell: &MapCell) -> bool {
        self.chosen.as_ref().is_some_and(|chosen| chosen.cell.ip == cell.ip)
    }

    fn share(&self) -> u64 {
        (self.held * 100 / self.dynamic.max(1)).min(100)
    }

    fn held_of_dynamic(&self) -> String {
        let number = |count: u64| words::number(i128::from(count));
        format!("{} of {}", number(self.held), number(self.dynamic))
    }

    fn fullness(&self) -> Tone {
        match self.share() {
            95.. => Tone::Bad,
            85.. => Tone::Warn,
            _ => Tone::Ok,
        }
    }
}

/// The address that the page was asked about.
struct Chosen {
    cell: MapCell,
    reserve: Option<String>,
}

const TABS: [(&str, &str); 5] = [
    ("", "Map and leases"),
    ("ranges", "Ranges"),
    ("reservations", "Reservations"),
    ("options", "Options"),
    ("changes", "Changes"),
];

/// What one transaction reads for the page.
struct Read {
    cursor: Cursor,
    item: DynamicMessage,
    known: Known,
    blocks: Vec<Block>,
    vlan: Option<DynamicMessage>,
    badge: Option<Badge>,
    page: Option<Page<DynamicMessage>>,
    changes: Vec<Change>,
}

/// The link that makes another of what the tab lists, for those who may.
fn add(visitor: &Visitor, listed: &'static str, subnet: &str) -> Option<(String, String)> {
    let plural = &super::resource(listed).kind().plural;
    let link = format!("/{plural}?do=create&subnet={}", words::encoded(subnet));
    frame::may(visitor, Verb::Create, listed)
        .then(|| (format!("New {}", words::noun(listed)), link))
}

pub(super) async fn show(
    console: Console,
    visitor: Visitor,
    query: Query,
    key: String,
) -> Result<Response, Fault> {
    let now = console.region.clock.now();
    let order = order(&query, &key);
    let query = query.or("sort", order);
    let asked = Arc::new(query.clone());
    let read = console.region.read(&visitor.actor, move |tx| read(tx, &key, &asked, now));
    let read = read.await?;
    let key = meta(&read.item, "key");
    let tab = tab(&query);
    let show = |name: &str| text(&read.item, name);
    let map = (tab.is_empty()).then(|| map::map(&read.known)).flatten();
    let chosen = chosen(&visitor, &read, &map, &query);
    let listed = match tab {
        "ranges" => "range",
        "reservations" => "reservation",
        _ => "lease",
    };
    let resource = super::resource(listed);
    let (dynamic, held) = room(&read);
    let add =
        (tab == "ranges" || tab == "reservations").then(|| add(&visitor, listed, &key)).flatten();
    let frame = Frame::new(&visitor, &[("Subnets", "/subnets"), (&key, "")], now)
        .command(format!("hostler subnet get {key}; hostler lease list --filter subnet={key}"))
        .live(&["subnet", "range", "reservation", "lease", "rack", "scope", "vlan"], read.cursor);
    let servers = ["primary_rack", "secondary_rack"].into_iter().filter_map(|name| {
        let rack = text(read.vlan.as_ref()?, name);
        (!rack.is_empty()).then(|| Cell::Link(cells::page_of("rack", &rack), rack))
    });
    frame::render(&SubnetPage {
        frame,
        badge: read.badge,
        vlan: Cell::Link(cells::page_of("vlan", &show("vlan")), show("vlan")),
        vrf: Cell::Link(cells::page_of("vrf", &show("vrf")), show("vrf")),
        note: show("note"),
        servers: servers.collect(),
        tabs: TABS
            .map(|(value, name)| {
                let link = query.with(&[("tab", value), ("after", ""), ("sort", ""), ("a", "")]);
                (name.to_owned(), link, value == tab)
            })
            .into(),
        tab,
        largest_free: map.as_ref().map(|map| map.largest_free),
        map,
        chosen,
        dynamic,
        held,
        table: read.page.as_ref().map(|page| Table {
            bulk: Bulk::of(&visitor, resource.kind(), &query),
            ..table::table(resource, &query, page, now)
        }),
        add,
        options: options::told(&read.item, read.vlan.as_ref()),
        pairs: cells::pairs(super::resource("subnet").kind(), &read.item, now),
        actions: Actions::of(&visitor, super::resource("subnet").kind(), &query, &[]),
        changes: read.changes,
        blocks: read.blocks,
        key,
    })
}

/// By number, where there are few to put in order; a key's order is that of its letters, and is there already.
fn order(query: &Query, key: &str) -> &'static str {
    let cidr = key.split('@').next().and_then(|cidr| cidr.parse::<Cidr>().ok());
    let is_small = cidr.is_some_and(|cidr| cidr.first().is_ipv4() && cidr.length() >= 20);
    match tab(query) {
        "" if is_small => "address",
        "reservations" => "address",
        "ranges" => "first",
        _ => "",
    }
}

fn tab(query: &Query) -> &'static str {
    let wanted = query.get("tab");
    TABS.iter().find(|(value, _)| *value == wanted).map_or("", |(value, _)| value)
}

pub(super) fn text(item: &DynamicMessage, name: &str) -> String {
    item.get_field_by_name(name).map(|value| proto::describe::show(&value)).unwrap_or_default()
}

fn read(tx: &mut Tx<'_>, key: &str, query: &Query, now: Timestamp) -> Result<Read, OperationError> {
    let resource = super::resource("subnet");
    let cursor = events::horizon(tx.conn)?.cursor;
    let item = resource.get(tx, key)?;
    let key = meta(&item, "key");
    let cidr: Cidr = text(&item, "cidr")
        .parse()
        .map_err(|_| OperationError::NotFound { noun: "subnet", id: key.clone() })?;
    let id = Id::<Subnet>::new(meta(&item, "id").parse::<Uuid>().unwrap_or_default());
    let tab = tab(query);
    let known = known(tx, &item, (cidr, id), &key)?;
    let large = tab.is_empty() && cidr.first().is_ipv4() && cidr.length() < 20;
    let blocks = if large {
        let held = usage::held_by_block(tx, id, (cidr, map::block_length(cidr)))?;
        map::blocks(cidr, &known.ranges, &held)
    } else {
        Vec::new()
    };
    let vlan = text(&item, "vlan");
    let vlan = resources::by_noun("vlan").map(|vlans| vlans.get(tx, &vlan)).transpose()?;
    let badge = Badge::of_vlan(tx, &text(&item, "vlan"))?;
    let listed = match tab {
        "" => Some("lease"),
        "ranges" => Some("range"),
        "reservations" => Some("reservation"),
        _ => None,
    };
    let page = listed.map(|noun| {
        let mut request = table::request(query);
        let own = format!("subnet={key}");
        request.filter =
            if request.filter.is_empty() { own } else { format!("{own},{}", request.filter) };
        super::resource(noun).list(tx, &request)
    });
    let changes = match tab {
        "changes" => history::of(tx, resource.kind(), &item, now)?,
        _ => Vec::new(),
    };
    let page = page.transpose()?;
    Ok(Read { cursor, item, known, blocks, vlan, badge, page, changes })
}

/// Ranges and reservations always; the leases of a prefix that is drawn cell by cell.
fn known(
    tx: &mut Tx<'_>,
    item: &DynamicMessage,
    (cidr, id): (Cidr, Id<Subnet>),
    key: &str,
) -> Result<Known, OperationError> {
    let ranges = everything(tx, super::resource("range"), key)?;
    let ranges = ranges.iter().filter_map(|range| {
        let end = |name| text(range, name).parse().ok();
        let range_of = common::IpRange::new(end("first")?, end("last")?).ok()?;
        Some((range_of, text(range, "dynamic") == "yes"))
    });
    let ranges = ranges.collect();
    let reservations = everything(tx, super::resource("reservation"), key)?;
    let reservations = reservations.iter().filter_map(|own| {
        let who = ["host_name", "mac", "client_id"].into_iter().map(|name| text(own, name));
        let who = who.into_iter().find(|who| !who.is_empty()).unwrap_or_default();
        let page = cells::page_of("reservation", &meta(own, "key"));
        Some((text(own, "address").parse::<IpAddr>().ok()?, who, page))
    });
    let reservations = reservations.collect();
    let small = cidr.first().is_ipv4() && cidr.length() >= 20;
    let leases = if small { usage::held(tx, id)? } else { Vec::new() };
    let leases = leases.into_iter().map(|held| Held {
        address: held.address,
        state: held.state,
        who: match (held.host_name.as_str(), held.mac.as_str()) {
            ("", mac) => mac.to_owned(),
            (name, "") => name.to_owned(),
            (name, mac) => format!("{name}, {mac}"),
        },
        page: cells::page_of("lease", &held.key),
    });
    Ok(Known {
        cidr,
        gateway: text(item, "gateway").parse().ok(),
        ranges,
        reservations,
        leases: leases.collect(),
    })
}

/// Of one subnet, as many as a map could show.
fn everything(
    tx: &mut Tx<'_>,
    resource: &dyn AnyResource,
    subnet: &str,
) -> Result<Vec<DynamicMessage>, OperationError> {
    const MOST: usize = 5000;
    let mut items = Vec::new();
    let filter = format!("subnet={subnet}");
    let mut request = v1::ListRequest { page_size: 1000, filter, ..v1::ListRequest::default() };
    while items.len() < MOST {
        let page = resource.list(tx, &request)?;
        items.extend(page.items);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    Ok(items)
}

/// How many dynamic addresses there are, and how many of them somebody has.
fn room(read: &Read) -> (u64, u64) {
    let dynamic = read.known.ranges.iter().filter(|(_, dynamic)| *dynamic);
    let size = dynamic.clone().map(|(range, _)| u64::try_from(range.count()).unwrap_or(u64::MAX));
    let inside = |address: IpAddr| dynamic.clone().any(|(range, _)| range.contains(address));
    let held = if read.blocks.is_empty() {
        let bound = read.known.leases.iter().filter(|held| held.state == "bound");
        bound.filter(|held| inside(held.address)).count() as u64
    } else {
        read.blocks.iter().map(|block| block.held).sum()
    };
    (size.fold(0, u64::saturating_add), held)
}

fn chosen(visitor: &Visitor, read: &Read, map: &Option<Map>, query: &Query) -> Option<Chosen> {
    let wanted = query.get("a");
    let cells = map.as_ref()?.rows.iter().flat_map(|row| &row.cells);
    let cell = cells.into_iter().find(|cell| cell.ip == wanted)?;
    let free = matches!(cell.used, map::Use::Free | map::Use::Dynamic | map::Use::Leased);
    let may = free && frame::may(visitor, Verb::Create, "reservation");
    let reserve = may.then(|| {
        let subnet = words::encoded(&meta(&read.item, "key"));
        format!("/reservations?do=create&subnet={subnet}&address={}", words::encoded(wanted))
    });
    let cell = cell.clone();
    Some(Chosen { cell, reserve })
}
