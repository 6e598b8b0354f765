//! The table of any kind: sorted, filtered, by pages, with the columns that the address asks for.

use askama::{Template, filters::HtmlSafe};
use common::Timestamp;
use prost_reflect::DynamicMessage;
use proto::{
    describe::{self, Field, Kind, Shown, meta},
    v1,
};

use super::{
    bulk::Bulk,
    cells::{self, Cell},
    detail,
    query::Query,
    words,
};
use crate::operations::{erased::AnyResource, list::Page};

const PAGE: i32 = 50;
/// With fewer columns there is room for what somebody noted.
const ROOMY: usize = 4;

#[derive(Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// What can be done to the rows that are ticked; none: they are not.
    pub(super) bulk: Option<Bulk>,
    pub(super) count: String,
    pub(super) first: Option<String>,
    pub(super) next: Option<String>,
}

impl HtmlSafe for Table {}

impl Table {
    /// With the box to tick.
    fn width(&self) -> usize {
        self.columns.len() + usize::from(self.bulk.is_some())
    }
}

pub(super) struct Column {
    pub(super) label: String,
    /// Sorts by it; none where that would mean nothing.
    pub(super) link: Option<String>,
    pub(super) sorted: Option<&'static str>,
    /// Left out where space is short.
    pub(super) secondary: bool,
}

pub(super) struct Row {
    pub(super) id: String,
    pub(super) key: String,
    /// Nothing can be done to it any more.
    pub(super) over: bool,
    pub(super) cells: Vec<Cell>,
    /// Why something is wrong with it, directly below.
    pub(super) reason: Option<(Cell, String)>,
}

/// A box to tick in the choice of columns.
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

pub(super) fn request(query: &Query) -> v1::ListRequest {
    let sort = query.get("sort");
    v1::ListRequest {
        page_size: PAGE,
        page_token: query.get("after").into(),
        filter: filter(query.get("filter")),
        order_by: sort.strip_prefix('-').map_or(sort.into(), |field| format!("{field} desc")),
    }
}

/// A word without a comparison is looked for in the name.
fn filter(typed: &str) -> String {
    let typed = typed.trim();
    if typed.is_empty() || typed.contains(['=', '<', '>', '~']) {
        typed.into()
    } else {
        format!("key~{typed}")
    }
}

pub(super) fn table(
    resource: &dyn AnyResource,
    query: &Query,
    page: &Page<DynamicMessage>,
    now: Timestamp,
) -> Table {
    let kind = resource.kind();
    let shown = columns(kind, query);
    let row = |item: &DynamicMessage| Row {
        id: meta(item, "id"),
        key: meta(item, "key"),
        over: !detail::pointless(item).is_empty(),
        cells: std::iter::once(cells::key(kind, item))
            .chain(shown.iter().map(|field| cells::of(field, item, now)))
            .collect(),
        reason: None,
    };
    let mut first =
        Column { label: key_label(kind), ..column(query, key_field(kind), true, false) };
    if query.get("sort").is_empty() {
        first.sorted = Some("ascending");
    }
    // What the address asks for is asked for on any screen.
    let is_extra = |field: &Field| query.all("columns").is_empty() && field.shown != Shown::Column;
    let head =
        shown.iter().map(|field| column(query, &field.name, sortable(field), is_extra(field)));
    Table {
        name: words::label(&kind.plural),
        columns: std::iter::once(first).chain(head).collect(),
        rows: page.items.iter().map(row).collect(),
        bulk: None,
        count: words::number(page.items.len() as i64),
        first: (!query.get("after").is_empty()).then(|| query.with(&[("after", "")])),
        next: (!page.next_page_token.is_empty())
            .then(|| query.with(&[("after", &page.next_page_token)])),
    }
}

/// The field that the key is made of, where it is one alone: its order is that of numbers, where the key's is that of letters.
fn key_field(kind: &Kind) -> &'static str {
    match kind.noun.as_str() {
        "lease" | "reservation" => "address",
        "boot-attempt" => "mac",
        "subnet" => "cidr",
        "range" => "first",
        _ => "key",
    }
}

pub(super) fn key_label(kind: &Kind) -> String {
    match kind.noun.as_str() {
        noun @ ("range" | "rack-token") => words::label(noun),
        _ => match key_field(kind) {
            "key" => words::label("name"),
            field => words::label(field),
        },
    }
}

fn column(query: &Query, name: &str, sortable: bool, secondary: bool) -> Column {
    let sort = query.get("sort");
    let descending = format!("-{name}");
    let sorted = match sort {
        _ if sort == name => Some("ascending"),
        _ if sort == descending => Some("descending"),
        _ => None,
    };
    let next = if sorted == Some("ascending") { &descending } else { name };
    Column {
        label: words::label(name),
        link: sortable.then(|| query.with(&[("sort", next), ("after", "")])),
        sorted,
        secondary,
    }
}

/// References are kept by id and lists as one text: their order means nothing to people.
fn sortable(field: &Field) -> bool {
    field.refers_to.is_empty() && !field.is_list()
}

/// What the address names, else the contract's columns. What only repeats the key is left to the key.
fn columns<'a>(kind: &'a Kind, query: &Query) -> Vec<&'a Field> {
    let asked = query.all("columns");
    let within =
        query.path.split('/').nth(2).and_then(|_| describe::kind(query.path.split('/').nth(1)?));
    let readable = kind.fields.iter().filter(|field| !field.secret);
    if !asked.is_empty() {
        return readable.filter(|field| asked.contains(&field.name.as_str())).collect();
    }
    let is_said = |field: &Field| within.is_some_and(|page| repeats_page(page, field));
    let usual = |field: &&Field| {
        field.shown == Shown::Column && !repeats_key(kind, field) && !is_said(field)
    };
    let mut shown: Vec<&Field> = readable.filter(usual).collect();
    if shown.len() < ROOMY {
        shown.extend(kind.field("note"));
    }
    shown
}

/// What the page of one resource says of all that it lists.
fn repeats_page(page: &Kind, field: &Field) -> bool {
    field.refers_to == page.noun || page.noun == "subnet" && field.refers_to == "vlan"
}

/// What a column would say once more.
pub(super) fn repeats_key(kind: &Kind, field: &Field) -> bool {
    // A join token's is that of the rack to be.
    field.name == "name" && kind.noun != "rack-token"
        || matches!(
            (kind.noun.as_str(), field.name.as_str()),
            ("lease" | "reservation", "address")
                | ("boot-file", "path")
                | ("subnet", "cidr")
                | ("range", "first" | "last")
                | ("event", "key")
                // Why it stalled stands below its row.
                | ("boot-attempt", "mac" | "cause")
        )
}

pub(super) fn choices(kind: &Kind, query: &Query) -> Vec<Choice> {
    let shown: Vec<&str> = columns(kind, query).iter().map(|field| field.name.as_str()).collect();
    let fields = kind.fields.iter().filter(|field| !field.secret && field.name != "name");
    fields
        .map(|field| Choice {
            name: field.name.clone(),
            label: words::label(&field.name),
            chosen: shown.contains(&field.name.as_str()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_key_is_made_of_is_a_field() {
        for kind in describe::KINDS.iter() {
            let field = key_field(kind);
            assert!(field == "key" || kind.field(field).is_some_and(sortable), "{}", kind.noun);
        }
    }

    #[test]
    fn a_list_says_what_its_page_does_not() {
        let lease = describe::kind("lease").unwrap();
        for (path, columns, expected) in [
            ("/leases", &[][..], "state mac host_name vlan ends_at"),
            ("/subnets/10.0.0.0/24", &[], "state mac host_name ends_at"),
            ("/subnets/10.0.0.0/24", &[("columns", "vlan")], "vlan"),
            ("/leases", &[("columns", "mac"), ("columns", "rack")], "mac rack"),
        ] {
            let shown = columns_of(lease, &Query::of(path, columns));
            assert_eq!(shown, expected, "{path} {columns:?}");
        }
    }

    fn columns_of(kind: &Kind, query: &Query) -> String {
        let shown: Vec<&str> =
            columns(kind, query).iter().map(|field| field.name.as_str()).collect();
        shown.join(" ")
    }

    #[test]
    fn a_bare_word_looks_in_the_name() {
        for (typed, expected) in [
            ("", ""),
            (" office ", "key~office"),
            ("vlan=dc1/10", "vlan=dc1/10"),
            ("vid>100,note~x", "vid>100,note~x"),
        ] {
            assert_eq!(filter(typed), expected);
        }
    }
}
