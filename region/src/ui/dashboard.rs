//! The first page: what needs a person, then how things are.

use askama::Template;
use axum::{extract::State, response::Response};
use common::Timestamp;
use proto::v1::{BootAttempt, Progress};

use super::{
    Console, Fault,
    badge::Badge,
    boots,
    cells::{Tone, page_of},
    eventlog::{self, EventLine},
    frame::{self, Frame},
    racks,
    tally::{Counts, Spark},
    visitor::Visitor,
    waterfall,
    words::{self, Moment},
};
use crate::{
    events,
    operations::{
        boot_attempt,
        fleet::{self, Member},
        usage::Fill,
    },
};

#[derive(Template)]
#[template(path = "dashboard.html")]
struct DashboardPage {
    frame: Frame,
    headline: String,
    sentence: String,
    exceptions: Vec<Exception>,
    numbers: Vec<Number>,
    badge: Badge,
    racks: Vec<(Tone, String, String, &'static str, String)>,
    fills: Vec<FillRow>,
    warnings: Vec<EventLine>,
    latest: Vec<EventLine>,
    is_new: bool,
}

/// One of the totals, and what it was in the last hour.
struct Number {
    name: &'static str,
    value: String,
    note: String,
    past: Option<Spark>,
}

struct Exception {
    tone: Tone,
    word: &'static str,
    what: String,
    page: String,
    why: String,
    /// None: nobody noted when it began.
    since: Option<Moment>,
    act: &'static str,
}

struct FillRow {
    page: String,
    cidr: String,
    held: String,
    dynamic: String,
    share: u64,
    class: &'static str,
}

const NEWEST: i32 = 8;

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Fault> {
    let (counted, now) = (console.counted.clone(), console.region.clock.now());
    let read = console.region.read(&visitor.actor, move |tx| {
        Ok((
            events::horizon(tx.conn)?.cursor,
            fleet::fleet(tx)?,
            counted.usage(tx)?,
            boot_attempt::stalled(tx, now.shifted(-LOOKED_AT), STALLED)?,
            eventlog::newest(tx, "level!=info", NEWEST)?,
            eventlog::newest(tx, "", NEWEST)?,
        ))
    });
    let (cursor, members, usage, stalled, warnings, latest) = read.await?;
    let mut exceptions: Vec<Exception> =
        members.iter().flat_map(|member| of_rack(member, now)).collect();
    exceptions.extend(usage.fills.iter().filter_map(of_subnet));
    exceptions.extend(of_boots(&stalled, now));
    exceptions.sort_by_key(|exception| match exception.tone {
        Tone::Bad => 0,
        Tone::Warn => 1,
        Tone::Unknown | Tone::Ok | Tone::Info | Tone::Hold | Tone::Off => 2,
    });
    frame::render(&DashboardPage {
        headline: headline(exceptions.len()),
        sentence: match (exceptions.is_empty(), members.is_empty()) {
            (_, true) => "No rack has joined yet, so nobody answers DHCP.".into(),
            (true, _) => "Every rack is there and has what region wants.".into(),
            (false, _) => "Racks go on serving what they accepted last.".into(),
        },
        badge: Badge::of_fleet(&members),
        racks: members.iter().map(tile).collect(),
        is_new: members.is_empty(),
        numbers: numbers(&members, usage.leases, &console.tally.until(now)),
        fills: usage.fills.iter().map(fill).collect(),
        warnings,
        latest,
        exceptions,
        frame: Frame::new(&visitor, &[("Overview", "/")], now)
            .command("hostler rack list; hostler event list --filter 'level!=info'")
            .live(&["event"], cursor),
    })
}

fn numbers(members: &[Member], leases: u64, past: &[Counts]) -> Vec<Number> {
    let members = || members.iter().filter(|member| !member.rack.revoked);
    let connected = members().filter(|member| member.rack.connected).count();
    let refusing =
        members().filter(|member| member.with(Progress::Refused).next().is_some()).count();
    let plain = |name, value: String, note: String| Number { name, value, note, past: None };
    let since = match past.len() {
        60.. => "in the last hour".to_owned(),
        minutes => format!("in {minutes} min, since region started"),
    };
    let counted = |name, of: fn(&Counts) -> u64| {
        let values: Vec<u64> = past.iter().map(of).collect();
        let sum: i128 = values.iter().copied().map(i128::from).sum();
        Number { name, value: words::number(sum), note: since.clone(), past: Spark::of(&values) }
    };
    let silent = members().filter(|member| member.rack.connected && member.counts.is_none());
    let offers = counted("Offers made", |counts| counts.offers);
    let offers = match silent.count() {
        0 => offers,
        silent if silent == connected => plain(
            "Offers made",
            "not known".into(),
            "racks of an earlier version do not count them".into(),
        ),
        1 => Number { note: format!("{}, without 1 rack", offers.note), ..offers },
        silent => Number { note: format!("{}, without {silent} racks", offers.note), ..offers },
    };
    vec![
        plain("Racks connected", connected.to_string(), format!("of {}", members().count())),
        plain("Racks that refuse", refusing.to_string(), "a configuration".into()),
        plain("Active leases", words::number(i128::from(leases)), "bound and not over".into()),
        offers,
        counted("Leases given", |counts| counts.leases),
        counted("Events", |counts| counts.events),
    ]
}

fn headline(count: usize) -> String {
    const WORDS: [&str; 10] =
        ["Nothing", "One thing", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    match (count, WORDS.get(count)) {
        (0 | 1, Some(word)) => format!("{word} needs a person"),
        (_, Some(word)) => format!("{word} things need a person"),
        (_, None) => format!("{count} things need a person"),
    }
}

fn of_rack(member: &Member, now: Timestamp) -> Vec<Exception> {
    let of = |(tone, what, why): (Tone, String, String)| Exception {
        tone,
        word: match tone {
            Tone::Bad => "Refused",
            Tone::Unknown => "Away",
            Tone::Ok | Tone::Info | Tone::Warn | Tone::Hold | Tone::Off => "Warning",
        },
        what: format!("{}: {}", member.key, what.trim_end_matches([':', '.'])),
        page: page_of("rack", &member.key),
        why,
        since: None,
        act: "Open rack",
    };
    racks::reasons(member, now).into_iter().map(of).collect()
}

/// From here on somebody should find more addresses.
const NEARLY_FULL: u64 = 90;

fn of_subnet(fill: &Fill) -> Option<Exception> {
    let free = fill.dynamic.saturating_sub(fill.held);
    (fill.share() >= NEARLY_FULL).then(|| Exception {
        tone: if free == 0 { Tone::Bad } else { Tone::Warn },
        word: if free == 0 { "Full" } else { "Warning" },
        what: format!("{} has {} dynamic addresses left", fill.subnet, words::number(i128::from(free))),
        page: page_of("subnet", &fill.subnet),
        why: format!(
            "{} of {} are leased. New clients get none when the last is gone; those that have one keep it.",
            words::number(i128::from(fill.held)),
            words::number(i128::from(fill.dynamic))
        ),
        since: None,
        act: "Open subnet",
    })
}

/// A boot that stalled is somebody's work for this long, in microseconds.
const LOOKED_AT: i64 = 86_400 * 1_000_000;
/// More than are named, so that it is known that there are more.
const STALLED: i64 = NAMED as i64 + 1;
const NAMED: usize = 5;

fn of_boots(stalled: &[BootAttempt], now: Timestamp) -> impl Iterator<Item = Exception> {
    let of = move |attempt: &BootAttempt| {
        let (tone, word) = waterfall::verdict(attempt);
        let (who, page) = match attempt.machine.as_str() {
            "" => (&attempt.mac, page_of("boot-attempt", boots::key(attempt))),
            machine => (&attempt.machine, page_of("machine", machine)),
        };
        Exception {
            tone,
            word: "Stalled",
            what: format!("{who} {word} as it booted"),
            page,
            why: format!("Likely because {}.", attempt.cause),
            since: racks::time(attempt.heard_at).map(|at| Moment::relative(at, now)),
            act: "Open trace",
        }
    };
    let more = (stalled.len() > NAMED).then(|| Exception {
        tone: Tone::Warn,
        word: "Stalled",
        what: "More boots stalled within a day".into(),
        page: "/boot-attempts?filter=outcome%3Dstalled".into(),
        why: "The newest are named here.".into(),
        since: None,
        act: "Open boots",
    });
    stalled.iter().take(NAMED).map(of).chain(more)
}

fn tile(member: &Member) -> (Tone, String, String, &'static str, String) {
    let (tone, class, said) = match () {
        () if member.with(Progress::Refused).next().is_some() => (Tone::Bad, "late", "refuses"),
        () if member.rack.revoked => (Tone::Hold, "gone", "is revoked"),
        () if !member.rack.connected => (Tone::Unknown, "gone", "is away"),
        () if !member.is_current() => (Tone::Info, "up", "is applying"),
        () => (Tone::Ok, "up", "is up to date"),
    };
    let page = page_of("rack", &member.key);
    (tone, page, member.key.clone(), class, format!("{} {said}", member.key))
}

fn fill(fill: &Fill) -> FillRow {
    FillRow {
        page: page_of("subnet", &fill.subnet),
        cidr: fill.subnet.clone(),
        held: words::number(i128::from(fill.held)),
        dynamic: words::number(i128::from(fill.dynamic)),
        share: fill.share(),
        class: match fill.share() {
            95.. => "f-bad",
            NEARLY_FULL.. => "f-warn",
            _ => "f-lease",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_counts_in_words() {
        for (count, expected) in [
            (0, "Nothing needs a person"),
            (1, "One thing needs a person"),
            (6, "Six things need a person"),
            (12, "12 things need a person"),
        ] {
            assert_eq!(headline(count), expected);
        }
    }
}
