//! A machine: how its boots went, what it boots next, the addresses that it has and is known by.

use askama::Template;
use axum::response::Response;
use common::Timestamp;
use prost_reflect::DynamicMessage;
use proto::{
    describe::meta,
    v1::{self, BootAttempt, ListRequest},
};
use uuid::Uuid;

use super::{
    Console, Fault,
    actions::Actions,
    badge::Badge,
    boots::{self, Boots},
    cells::{self, Cell, Pair, page_of},
    detail,
    frame::{self, Frame},
    history::{self, Change},
    query::Query,
    racks::time,
    subnet::text,
    visitor::Visitor,
    words::{self, Moment},
};
use crate::{
    auth::Verb,
    events::{self, Cursor},
    operations::{OperationError, Tx, list::list},
    resources::Resource,
};

#[derive(Template)]
#[template(path = "machine.html")]
struct MachinePage {
    frame: Frame,
    key: String,
    about: String,
    profile: Profile,
    badge: Option<Badge>,
    boots: Boots,
    interfaces: Vec<InterfaceRow>,
    new_interface: Option<String>,
    addresses: Vec<AddressRow>,
    pairs: Vec<Pair>,
    made: Vec<Pair>,
    changes: Vec<Change>,
    actions: Actions,
}

/// What it boots from its next start on, and what it could.
struct Profile {
    boots: Cell,
    /// Who says so.
    by: &'static str,
    form: Option<ProfileForm>,
}

struct ProfileForm {
    /// Key, what it says, and whether the machine has it now.
    choices: Vec<(String, String, bool)>,
    revision: String,
    request_id: String,
}

struct InterfaceRow {
    name: Cell,
    mac: String,
    note: String,
    page: String,
}

/// A lease or a reservation.
struct AddressRow {
    address: Cell,
    kind: &'static str,
    state: Cell,
    host_name: String,
    ends: Option<Moment>,
}

/// What one transaction reads for the page.
struct Read {
    cursor: Cursor,
    item: DynamicMessage,
    attempts: Vec<BootAttempt>,
    interfaces: Vec<v1::Interface>,
    leases: Vec<v1::Lease>,
    reservations: Vec<v1::Reservation>,
    profiles: Vec<String>,
    default: String,
    badge: Option<Badge>,
    changes: Vec<Change>,
}

/// A machine has a handful; of one with more, the first ones are looked for.
const INTERFACES: i32 = 8;
const ADDRESSES: i32 = 8;
/// Past this many one edits the machine, where a name is typed.
const PROFILES: i32 = 200;

pub(super) async fn show(
    console: Console,
    visitor: Visitor,
    query: Query,
    key: String,
) -> Result<Response, Fault> {
    let now = console.region.clock.now();
    let read = console.region.read(&visitor.actor, move |tx| read(tx, &key, now));
    let read = read.await?;
    let kind = super::resource("machine").kind();
    let key = meta(&read.item, "key");
    let page = page_of("machine", &key);
    let of_boot = |own: &BootAttempt| format!("{page}?boot={}", words::encoded(boots::key(own)));
    let new_interface = frame::may(&visitor, Verb::Create, "interface")
        .then(|| format!("/interfaces?do=create&machine={}", words::encoded(&key)));
    let topics = [
        "machine",
        "interface",
        "boot-attempt",
        "boot-profile",
        "boot-default",
        "lease",
        "reservation",
        "rack",
        "scope",
    ];
    frame::render(&MachinePage {
        about: about(&read.item),
        profile: profile(&visitor, &read),
        boots: Boots::of(&read.attempts, query.get("boot"), of_boot, now),
        interfaces: read.interfaces.iter().map(interface).collect(),
        new_interface,
        addresses: addresses(&read, now),
        pairs: cells::pairs(kind, &read.item, now),
        made: detail::made(&read.item, now),
        actions: Actions::of(&visitor, kind, &query, &[]),
        frame: Frame::new(&visitor, &[("Machines", "/machines"), (&key, "")], now)
            .command(format!("hostler machine boot-trace {key}"))
            .live(&topics, read.cursor),
        badge: read.badge,
        changes: read.changes,
        key,
    })
}

fn read(tx: &mut Tx<'_>, key: &str, now: Timestamp) -> Result<Read, OperationError> {
    let resource = super::resource("machine");
    let cursor = events::horizon(tx.conn)?.cursor;
    let item = resource.get(tx, key)?;
    let key = meta(&item, "key");
    let interfaces = those::<plan::Interface>(tx, &format!("machine={key}"), INTERFACES)?;
    let macs: Vec<String> = interfaces.iter().map(|own| own.mac.clone()).collect();
    let (mut leases, mut reservations) = (Vec::new(), Vec::new());
    for mac in &macs {
        let filter = format!("mac={mac}");
        reservations.extend(those::<plan::Reservation>(tx, &filter, ADDRESSES)?);
        leases.extend(those::<plan::Lease>(tx, &filter, ADDRESSES)?);
    }
    let profiles = those::<plan::BootProfile>(tx, "", PROFILES)?;
    let default = those::<plan::BootDefault>(tx, "", 1)?.pop();
    Ok(Read {
        cursor,
        attempts: boots::of_machine(tx, &key, &macs)?,
        interfaces,
        leases,
        reservations,
        profiles: profiles.into_iter().map(|own| own.name).collect(),
        default: default.map(|own| own.boot_profile).unwrap_or_default(),
        badge: Badge::of_boots(tx)?,
        changes: history::of(tx, resource.kind(), &item, now)?,
        item,
    })
}

fn those<R: Resource>(
    tx: &mut Tx<'_>,
    filter: &str,
    most: i32,
) -> Result<Vec<R::Wire>, OperationError> {
    let filter = filter.to_owned();
    let request = ListRequest { page_size: most, filter, ..ListRequest::default() };
    Ok(list::<R>(tx, &request)?.items)
}

/// What its firmware told of it.
fn about(item: &DynamicMessage) -> String {
    let told = |field: &str, name: &str| {
        Some(text(item, field)).filter(|text| !text.is_empty()).map(|text| format!("{name}{text}"))
    };
    let told = [told("architecture", ""), told("serial", "serial "), told("uuid", "UUID ")];
    let told: Vec<String> = told.into_iter().flatten().collect();
    match told.is_empty() {
        true => "Its firmware has told nothing of it yet.".into(),
        false => format!("{}.", told.join(", ")),
    }
}

fn profile(visitor: &Visitor, read: &Read) -> Profile {
    let own = text(&read.item, "boot_profile");
    let (name, by) = match (own.as_str(), read.default.as_str()) {
        ("", "") => ("", ""),
        ("", default) => (default, "the region's default"),
        (own, _) => (own, "its own profile"),
    };
    let boots = match name {
        "" => Cell::Empty,
        name => Cell::Link(page_of("boot-profile", name), name.to_owned()),
    };
    let default = match read.default.as_str() {
        "" => "Region's default, which is none".to_owned(),
        default => format!("Region's default, {default}"),
    };
    let choices = read.profiles.iter().map(|name| (name.clone(), name.clone(), *name == own));
    let choices = std::iter::once((String::new(), default, own.is_empty())).chain(choices);
    let form = frame::may(visitor, Verb::Update, "machine").then(|| ProfileForm {
        choices: choices.collect(),
        revision: meta(&read.item, "revision"),
        request_id: Uuid::now_v7().to_string(),
    });
    Profile { boots, by, form }
}

fn interface(own: &v1::Interface) -> InterfaceRow {
    let key = own.meta.as_ref().map(|meta| meta.key.clone()).unwrap_or_default();
    let page = page_of("interface", &key);
    InterfaceRow {
        name: Cell::Link(page.clone(), own.name.clone()),
        mac: own.mac.clone(),
        note: own.note.clone(),
        page,
    }
}

fn addresses(read: &Read, now: Timestamp) -> Vec<AddressRow> {
    let key = |meta: &Option<v1::Meta>| meta.as_ref().map(|meta| meta.key.clone());
    let link = |noun: &str, meta: &Option<v1::Meta>, address: &str| {
        Cell::CodeLink(page_of(noun, &key(meta).unwrap_or_default()), address.to_owned())
    };
    let reserved = read.reservations.iter().map(|own| AddressRow {
        address: link("reservation", &own.meta, &own.address),
        kind: "Reservation",
        state: Cell::Muted("reserved".into()),
        host_name: own.host_name.clone(),
        ends: None,
    });
    let leased = read.leases.iter().map(|own| AddressRow {
        address: link("lease", &own.meta, &own.address),
        kind: "Lease",
        state: match cells::state(&own.state) {
            Some(tone) => Cell::State(tone, own.state.clone()),
            None => Cell::Text(own.state.clone()),
        },
        host_name: own.host_name.clone(),
        ends: time(own.ends_at).map(|at| Moment::relative(at, now)),
    });
    reserved.chain(leased).collect()
}
