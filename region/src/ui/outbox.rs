//! What a rack counts, and above all which facts it still keeps for region: how many, and for how long.

use common::report::{FactClass, RackCounts, Waiting};

use super::{
    cells::{Cell, Tone},
    words,
};

/// From here on it is no batch on its way any more, in seconds: what pages show of the rack's leases and boots is that old.
const LATE: u64 = 60;

/// In a list of racks: of all classes together.
pub(super) fn cell(counts: Option<&RackCounts>) -> Cell {
    match counts.and_then(RackCounts::all_waiting) {
        None => Cell::Muted("not known".into()),
        Some(Waiting { facts: 0, .. }) => Cell::Muted("none".into()),
        Some(waiting) => Cell::Text(format!("{}, {}", number(waiting.facts), oldest(waiting))),
    }
}

/// Name and value, of one rack; none: nothing is known.
pub(super) fn lines(counts: Option<&RackCounts>) -> Vec<(&'static str, String)> {
    let Some(counts) = counts else { return Vec::new() };
    let offers = ("Offers made", format!("{} since it was started", number(counts.offers)));
    let waiting = FactClass::ALL.map(|class| {
        let name = match class {
            FactClass::Lease => "Leases to record",
            FactClass::Boot => "Boots to record",
        };
        let said = match counts.waiting.get(&class) {
            None => "not known".to_owned(),
            Some(Waiting { facts: 0, .. }) => "none".to_owned(),
            Some(waiting) => format!("{}, {}", said(*waiting), oldest(*waiting)),
        };
        (name, said)
    });
    [offers].into_iter().chain(waiting).collect()
}

/// Why somebody should look at a rack that does not get rid of its facts.
pub(super) fn reason(counts: Option<&RackCounts>) -> Option<(Tone, String, String)> {
    let waiting = counts?.all_waiting().filter(|waiting| waiting.oldest.as_secs() >= LATE)?;
    let what = format!("{} to be recorded, {}.", said(waiting), oldest(waiting));
    let why = "Its leases and boots are shown as they were then. The rack keeps the rest until region has recorded it.";
    Some((Tone::Warn, what, why.into()))
}

fn said(waiting: Waiting) -> String {
    match waiting.facts {
        1 => "1 fact waits".into(),
        facts => format!("{} facts wait", number(facts)),
    }
}

fn oldest(waiting: Waiting) -> String {
    let seconds = i64::try_from(waiting.oldest.as_secs()).unwrap_or(i64::MAX);
    format!("oldest {}", words::span(seconds))
}

fn number(count: u64) -> String {
    words::number(i128::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn counts(waiting: &[(FactClass, u64, u64)]) -> RackCounts {
        let waiting = waiting.iter().map(|(class, facts, seconds)| {
            (*class, Waiting { facts: *facts, oldest: Duration::from_secs(*seconds) })
        });
        RackCounts { offers: 1204, waiting: waiting.collect() }
    }

    #[test]
    fn what_is_not_told_is_not_none() {
        use FactClass::{Boot, Lease};
        for (told, in_list, on_page, is_late) in [
            (None, "not known", &[][..], false),
            (Some(counts(&[])), "not known", &["not known", "not known"], false),
            (Some(counts(&[(Lease, 0, 0), (Boot, 0, 0)])), "none", &["none", "none"], false),
            (
                Some(counts(&[(Lease, 12, 3), (Boot, 1, 59)])),
                "13, oldest 59 s",
                &["12 facts wait, oldest 3 s", "1 fact waits, oldest 59 s"],
                false,
            ),
            (
                Some(counts(&[(Lease, 4096, 7200)])),
                "4,096, oldest 2 h",
                &["4,096 facts wait, oldest 2 h", "not known"],
                true,
            ),
        ] {
            let told = told.as_ref();
            assert_eq!(cell(told).text(), in_list);
            let found = lines(told);
            let found: Vec<&str> = found.iter().skip(1).map(|(_, value)| value.as_str()).collect();
            assert_eq!(found, on_page);
            assert_eq!(reason(told).is_some(), is_late, "{told:?}");
        }
        assert_eq!(lines(Some(&counts(&[])))[0].1, "1,204 since it was started");
    }
}
