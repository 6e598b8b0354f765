//! One box for everything that has a name: an address, a MAC, a prefix, a part of a name, a place of the console, something to make. A single hit is
//! the page itself.

use askama::Template;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use common::{Cidr, MacAddr};
use prost_reflect::DynamicMessage;
use proto::{
    describe::{self, meta},
    v1,
};
use std::net::IpAddr;
use uuid::Uuid;

use super::{
    Console, Fault, cells,
    frame::{self, Frame},
    query::Query,
    visitor::Visitor,
    words,
};
use crate::{
    auth::Verb,
    operations::{OperationError, Tx},
    resources,
};

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
struct Hit {
    name: String,
    what: String,
    page: String,
}

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    frame: Frame,
    typed: String,
    hits: Vec<Hit>,
}

impl FindPage {
    fn encoded(&self) -> String {
        words::encoded(&self.typed)
    }
}

/// Of each kind; who needs more has a list with a filter.
const EACH: i32 = 5;

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
) -> Result<Response, Fault> {
    let typed = query.get("q").trim().to_owned();
    let wanted = typed.clone();
    let read = console.region.read(&visitor.actor, move |tx| hits(tx, &wanted));
    let mut hits = if typed.is_empty() { Vec::new() } else { read.await? };
    hits.extend(places(&visitor, &typed));
    if query.get("as") == "json" {
        let json = serde_json::to_string(&hits).expect("names are plain data");
        return Ok(([(header::CONTENT_TYPE, "application/json")], json).into_response());
    }
    if let [only] = hits.as_slice() {
        return Ok(Redirect::to(&only.page).into_response());
    }
    let now = console.region.clock.now();
    frame::render(&FindPage { frame: Frame::new(&visitor, &[("Find", "/find")], now), typed, hits })
}

/// Pages of the navigation, and forms that this visitor may fill in.
fn places(visitor: &Visitor, typed: &str) -> Vec<Hit> {
    let typed = typed.to_lowercase();
    let navigation = frame::navigation(visitor, "");
    let pages = navigation.into_iter().flat_map(|group| group.places);
    let pages = pages.map(|place| Hit { name: place.name, what: "page".into(), page: place.path });
    let makes = resources::TABLE
        .iter()
        .map(|resource| resource.kind())
        .filter(|kind| kind.has("Create") && frame::may(visitor, Verb::Create, &kind.noun));
    let forms = makes.map(|kind| Hit {
        name: format!("New {}", words::noun(&kind.noun)),
        what: "form".into(),
        page: format!("/{}?do=create", kind.plural),
    });
    let meant = |hit: &Hit| !typed.is_empty() && hit.name.to_lowercase().contains(&typed);
    pages.chain(forms).filter(meant).collect()
}

fn hits(tx: &mut Tx<'_>, typed: &str) -> Result<Vec<Hit>, OperationError> {
    // A comma would begin another condition.
    let word = typed.split(',').next().unwrap_or_default().trim();
    let mut hits = Vec::new();
    for (noun, filter) in conditions(word) {
        let Some(resource) = resources::by_noun(noun) else { continue };
        let request =
            v1::ListRequest { page_size: EACH, filter: filter.clone(), ..Default::default() };
        let page = match resource.list(tx, &request) {
            // Not for this visitor, or no value of that field.
            Err(OperationError::Denied { .. } | OperationError::Refused(_)) => continue,
            page => page?,
        };
        for item in &page.items {
            let key = meta(item, "key");
            let page = cells::page_of(noun, &key);
            let by = value(item, &filter).filter(|value| !key.contains(value.as_str()));
            let what = [Some(words::noun(noun)), by].into_iter().flatten().collect::<Vec<_>>();
            let hit = Hit { page, what: what.join(", "), name: key };
            if hits.iter().all(|other: &Hit| other.page != hit.page) {
                hits.push(hit);
            }
        }
    }
    Ok(hits)
}

/// What the item has in the field that it was found by; none where that is no field of its own.
fn value(item: &DynamicMessage, filter: &str) -> Option<String> {
    let (field, _) = filter.split_once(['=', '~'])?;
    let value = item.get_field_by_name(field).map(|value| describe::show(&value))?;
    (!value.is_empty()).then_some(value)
}

/// Where to look for what was typed: exact where it is a value, in names otherwise.
fn conditions(word: &str) -> Vec<(&'static str, String)> {
    if word.is_empty() {
        return Vec::new();
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        let own = ["lease", "reservation"].map(|noun| (noun, format!("address={address}")));
        let length = if address.is_ipv4() { 32 } else { 128 };
        let around = Cidr::new(address, length).into_iter().flat_map(Cidr::supernets);
        let subnets = around.map(|cidr| ("subnet", format!("cidr={cidr}")));
        return own.into_iter().chain(subnets).collect();
    }
    // Before MAC addresses: as digits alone, neither can be the other.
    if let Ok(uuid) = word.parse::<Uuid>() {
        return vec![("machine", format!("uuid={uuid}"))];
    }
    if let Ok(mac) = word.parse::<MacAddr>() {
        let nouns = ["machine", "lease", "reservation"];
        return nouns.map(|noun| (noun, format!("mac={mac}"))).into();
    }
    if let Ok(cidr) = word.parse::<Cidr>() {
        return vec![("subnet", format!("cidr={cidr}"))];
    }
    let keys = resources::TABLE
        .iter()
        .map(|resource| (resource.kind().noun.as_str(), format!("key~{word}")));
    let hosts = ["lease", "reservation"].map(|noun| (noun, format!("host_name~{word}")));
    let serials = [("machine", format!("serial~{word}")), ("machine", format!("mac~{word}"))];
    keys.chain(hosts).chain(serials).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_says_where_to_look() {
        for (word, count, first) in [
            ("10.0.0.9", 2 + 33, Some(("lease", "address=10.0.0.9"))),
            ("52:54:00:12:34:56", 3, Some(("machine", "mac=52:54:00:12:34:56"))),
            (
                "4C4C4544-0042-3010-8031-B7C04F4E3132",
                1,
                Some(("machine", "uuid=4c4c4544-0042-3010-8031-b7c04f4e3132")),
            ),
            ("10.0.0.0/24", 1, Some(("subnet", "cidr=10.0.0.0/24"))),
            ("", 0, None),
        ] {
            let found = conditions(word);
            assert_eq!(found.len(), count, "{word}");
            assert_eq!(found.first().map(|(noun, filter)| (*noun, filter.as_str())), first);
        }
        assert!(conditions("kestrel").contains(&("lease", "host_name~kestrel".into())));
    }
}
