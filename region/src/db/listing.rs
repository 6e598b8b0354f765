//! A page of a list, found in the way that is quickest for its filter.
//!
//! A few rows along the list's order show whether the filter lets much through. If they fill the page, it is the page; otherwise so little passes that
//! finding it first costs at most one look at each row.

use super::{
    Conn, DbError,
    condition::{Condition, Operator, Value, Way},
    stored::{Query, Saved, Stored},
};

/// Orders that an index is of. A test holds this against what the databases do.
const ORDERS: &[(&str, &[&str])] = &[
    ("leases", &["key", "address", "mac", "host_name", "ends_at"]),
    ("boot_attempts", &["key", "mac", "started_at"]),
    ("machines", &["key", "name"]),
    ("subnets", &["key", "cidr"]),
];

/// Table, the column that a filter says the value of, order: an index is of both together.
const TOGETHER: &[(&str, &str, &str)] = &[("leases", "subnet", "key")];

/// Rows looked at along the order for each that is wanted: what makes a page of what at least one in so many rows passes.
const LOOK: i64 = 40;

/// Of this table.
pub fn orders(table: &str) -> &'static [&'static str] {
    let own = ORDERS.iter().find(|(name, _)| *name == table);
    own.map_or(&["key"], |(_, orders)| orders)
}

pub(super) fn has_order(table: &str, column: &str) -> bool {
    orders(table).contains(&column)
}

pub fn load<R: Stored>(conn: &mut Conn, query: Query) -> Result<Vec<Saved<R>>, DbError> {
    if let Some(way) = known_way(R::TABLE, &query) {
        return R::load(conn, Query { way, ..query });
    }
    let walk = Query { way: Way::Walk, ..query.clone() };
    let Some(end) = end::<R>(conn, &query)? else { return R::load(conn, walk) };
    let near = R::load(conn, walk.within(end))?;
    if near.len() as i64 == query.limit {
        return Ok(near);
    }
    R::load(conn, Query { way: Way::Gather, ..query })
}

/// None: it depends on how much passes.
fn known_way(table: &str, query: &Query) -> Option<Way> {
    let given = |wanted: &dyn Fn(&str) -> bool| {
        query.conditions.iter().any(|condition| {
            matches!(condition, Condition::Compare { column, operator: Operator::Equal, .. } if wanted(column))
        })
    };
    let mut together = TOGETHER.iter().filter(|(own, ..)| *own == table);
    let both = |column: &str, order: &str| order == query.order && given(&|own| own == column);
    match () {
        () if query.conditions.is_empty() || !has_order(table, query.order) => Some(Way::Free),
        () if together.any(|(_, column, order)| both(column, order)) => Some(Way::Free),
        () if given(&|column| has_order(table, column)) => Some(Way::Gather),
        () => None,
    }
}

/// The last row that is looked at; None: the list ends before.
fn end<R: Stored>(conn: &mut Conn, query: &Query) -> Result<Option<Condition>, DbError> {
    let far = Query {
        conditions: Vec::new(),
        skip: query.limit.saturating_mul(LOOK),
        limit: 1,
        ..query.clone()
    };
    let row = R::load(conn, far)?.pop();
    Ok(row.and_then(|row| {
        let (column, value) = R::column(&row, query.order)?;
        let operator = if query.descending { Operator::AtLeast } else { Operator::AtMost };
        Some(place((column, value), operator, &row))
    }))
}

pub fn place<R>(
    (column, value): (&'static str, Value),
    operator: Operator,
    row: &Saved<R>,
) -> Condition {
    Condition::Place { column, operator, value, id: row.id.uuid().as_bytes().to_vec() }
}
