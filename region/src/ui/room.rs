//! How much of its dynamic addresses a subnet has given: the column that a list of subnets has beside its fields.

use askama::{Template, filters::HtmlSafe};
use prost_reflect::DynamicMessage;
use proto::describe::meta;
use uuid::Uuid;

use super::{
    cells::Cell,
    table::{Column, Table},
    words,
};
use crate::operations::usage::Usage;

/// A bar, and the numbers that it stands for.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"<span class="fill"><svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="{{ class }}" x="0" width="{{ share }}" height="8"/></svg><span class="nb">{{ held }} <span class="muted">of {{ dynamic }}</span></span></span>"#,
    ext = "html"
)]
pub(super) struct Room {
    share: u64,
    class: &'static str,
    held: String,
    dynamic: String,
}

impl HtmlSafe for Room {}

impl Room {
    pub(super) fn new(held: u64, dynamic: u64) -> Self {
        let share = (u128::from(held) * 100 / u128::from(dynamic.max(1))).min(100);
        let number = |count: u64| words::number(i128::from(count));
        Self {
            share: u64::try_from(share).expect("a share is at most 100"),
            class: match share {
                95.. => "f-bad",
                85.. => "f-warn",
                _ => "f-lease",
            },
            held: number(held),
            dynamic: number(dynamic),
        }
    }
}

/// Behind the key, of every subnet that gives addresses by itself.
pub(super) fn add(table: &mut Table, usage: &Usage, subnets: &[DynamicMessage]) {
    let column = Column { label: "Leased".into(), link: None, sorted: None, secondary: false };
    table.columns.insert(1, column);
    for (row, subnet) in table.rows.iter_mut().zip(subnets) {
        let id = meta(subnet, "id").parse::<Uuid>().unwrap_or_default();
        let cell =
            usage.of(id).map_or(Cell::Empty, |(held, size)| Cell::Room(Room::new(held, size)));
        row.cells.insert(1, cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_what_is_given_and_says_when_little_is_left() {
        for (held, dynamic, share, class) in [
            (0, 100, 0, "f-lease"),
            (84, 100, 84, "f-lease"),
            (85, 100, 85, "f-warn"),
            (95, 100, 95, "f-bad"),
            // Leases of reservations outside the ranges may make it more than all.
            (7, 5, 100, "f-bad"),
            (0, 0, 0, "f-lease"),
            (u64::MAX, u64::MAX, 100, "f-bad"),
        ] {
            let room = Room::new(held, dynamic);
            assert_eq!((room.share, room.class), (share, class), "{held} of {dynamic}");
        }
    }
}
