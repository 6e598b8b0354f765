//! Boots as racks saw them: each attempt of each machine, also of those that nobody has made a record of.

use askama::Template;
use axum::response::Response;
use common::Timestamp;
use prost_reflect::DynamicMessage;
use proto::v1::{self, BootAttempt};

use super::{
    Console, Fault,
    cells::{self, Cell, Pair, Tone, page_of},
    frame::{self, Frame},
    list::Manner,
    racks::time,
    table::Table,
    visitor::Visitor,
    waterfall::{self, Trace},
    words::{self, Moment},
};
use crate::{
    auth::Verb,
    events,
    operations::{OperationError, Tx, get, list},
};

/// The newest come first, since they are what somebody waits for.
pub(super) const MANNER: Manner = Manner {
    chips: &[
        ("All", ""),
        ("Booting now", "outcome=running"),
        ("Stalled", "outcome=stalled"),
        ("Booted", "outcome=finished"),
        ("Unknown machines", "machine="),
    ],
    order: "-started_at",
    finish: explain,
};

/// Why a boot stalled stands below it, and who has no machine is offered one.
fn explain(visitor: &Visitor, table: &mut Table, items: &[DynamicMessage]) {
    let machine = words::label("machine");
    let machine = table.columns.iter().position(|column| column.label == machine);
    for (row, item) in table.rows.iter_mut().zip(items) {
        let attempt = typed(item);
        if attempt.outcome == "stalled" {
            row.reason = Some((state(&attempt), attempt.cause.clone()));
        }
        let cell = machine.and_then(|at| row.cells.get_mut(at));
        if let (Some(cell), Some(page)) = (cell, make_machine(visitor, &attempt)) {
            *cell = Cell::Link(page, "Make it a machine".into());
        }
    }
}

fn typed(item: &DynamicMessage) -> BootAttempt {
    item.transcode_to().expect("a message of this kind, by its descriptor")
}

fn state(attempt: &BootAttempt) -> Cell {
    let (tone, word) = waterfall::verdict(attempt);
    Cell::State(tone, word)
}

pub(super) fn key(attempt: &BootAttempt) -> &str {
    attempt.meta.as_ref().map_or("", |meta| meta.key.as_str())
}

/// The form for a machine with this address; none where there is one, or this visitor may make none.
pub(super) fn make_machine(visitor: &Visitor, attempt: &BootAttempt) -> Option<String> {
    if !attempt.machine.is_empty() || !frame::may(visitor, Verb::Create, "machine") {
        return None;
    }
    let mac = words::encoded(&attempt.mac);
    // What is told as a code alone is no architecture that a machine may have.
    let known = !attempt.architecture.starts_with("0x") && !attempt.architecture.is_empty();
    let architecture = known.then(|| format!("&architecture={}", attempt.architecture));
    Some(format!("/machines?do=create&mac={mac}{}", architecture.unwrap_or_default()))
}

/// The boots of one machine, one of them in full.
pub(super) struct Boots {
    pub(super) shown: Option<Shown>,
    /// When, where it is shown in full, and whether it is shown now.
    pub(super) which: Vec<(Option<Moment>, String, bool)>,
    pub(super) all: Vec<Past>,
    /// Every boot that is kept.
    pub(super) list: String,
}

pub(super) struct Shown {
    pub(super) tone: Tone,
    pub(super) word: String,
    pub(super) cause: String,
    pub(super) began: Option<Moment>,
    pub(super) seen: String,
    pub(super) trace: Trace,
}

/// A row of the list.
pub(super) struct Past {
    pub(super) began: Option<Moment>,
    pub(super) link: String,
    pub(super) state: Cell,
    pub(super) took: String,
    pub(super) mac: String,
    pub(super) rack: Cell,
    pub(super) cause: String,
}

/// As many as somebody chooses from.
const CHOICES: usize = 5;
/// Of one address.
const KEPT: i32 = 12;

/// The newest boots by these addresses, and those that were told as this machine's.
pub(super) fn of_machine(
    tx: &mut Tx<'_>,
    machine: &str,
    macs: &[String],
) -> Result<Vec<BootAttempt>, OperationError> {
    let own = Some(format!("machine={machine}")).filter(|_| !machine.is_empty());
    let filters = own.into_iter().chain(macs.iter().map(|mac| format!("mac={mac}")));
    let mut found: Vec<BootAttempt> = Vec::new();
    for filter in filters {
        let order_by = "started_at desc".to_owned();
        let request = v1::ListRequest { page_size: KEPT, filter, order_by, ..Default::default() };
        found.extend(list::list::<plan::BootAttempt>(tx, &request)?.items);
    }
    let began = |attempt: &BootAttempt| time(attempt.started_at);
    found.sort_by(|a, b| began(b).cmp(&began(a)).then_with(|| key(a).cmp(key(b))));
    found.dedup_by(|a, b| key(a) == key(b));
    found.truncate(KEPT.unsigned_abs() as usize);
    Ok(found)
}

impl Boots {
    /// The newest first; `chosen` is the key of the one in full, the newest unless it is there. `page` is where one of them is shown.
    pub(super) fn of(
        attempts: &[BootAttempt],
        chosen: &str,
        page: impl Fn(&BootAttempt) -> String,
        now: Timestamp,
    ) -> Self {
        let at = attempts.iter().position(|own| key(own) == chosen).unwrap_or_default();
        let began = |own: &BootAttempt| time(own.started_at).map(|at| Moment::clock(at, now));
        let which = attempts.iter().enumerate().take(CHOICES.max(at + 1));
        let which = which.map(|(place, own)| (began(own), page(own), place == at));
        let past = |own: &BootAttempt| Past {
            began: began(own),
            link: page(own),
            state: state(own),
            took: words::took(waterfall::length(own, now)),
            mac: own.mac.clone(),
            rack: reference("rack", &own.rack),
            cause: own.cause.clone(),
        };
        let mac = attempts.first().map(|own| words::encoded(&format!("mac={}", own.mac)));
        Self {
            shown: attempts.get(at).map(|own| Shown::of(own, &attempts[at + 1..], now)),
            which: which.collect(),
            all: attempts.iter().map(past).collect(),
            list: format!("/boot-attempts?filter={}", mac.unwrap_or_default()),
        }
    }
}

impl Shown {
    fn of(attempt: &BootAttempt, earlier: &[BootAttempt], now: Timestamp) -> Self {
        let (tone, word) = waterfall::verdict(attempt);
        let or = |text: &str, other: &str| if text.is_empty() { other } else { text }.to_owned();
        Self {
            tone,
            word,
            cause: attempt.cause.clone(),
            began: time(attempt.started_at).map(|at| Moment::clock(at, now)),
            seen: format!(
                "by {}, on VLAN {}, seen by {}",
                attempt.mac,
                or(&attempt.vlan, "that region does not know"),
                or(&attempt.rack, "a rack that is gone")
            ),
            trace: Trace::of(attempt, earlier, now),
        }
    }
}

fn reference(noun: &str, key: &str) -> Cell {
    if key.is_empty() { Cell::Empty } else { Cell::Link(page_of(noun, key), key.to_owned()) }
}

#[derive(Template)]
#[template(path = "boot.html")]
struct BootPage {
    frame: Frame,
    mac: String,
    machine: Cell,
    architecture: String,
    make: Option<String>,
    boots: Boots,
    pairs: Vec<Pair>,
}

pub(super) async fn detail(
    console: Console,
    visitor: Visitor,
    asked: String,
) -> Result<Response, Fault> {
    let read = console.region.read(&visitor.actor, move |tx| {
        let attempt = get::<plan::BootAttempt>(tx, &asked)?;
        let mut all = of_machine(tx, &attempt.machine, std::slice::from_ref(&attempt.mac))?;
        if !all.iter().any(|own| key(own) == key(&attempt)) {
            // Older than what is listed.
            all.push(attempt.clone());
        }
        Ok((events::horizon(tx.conn)?.cursor, attempt, all))
    });
    let (cursor, attempt, all) = read.await?;
    let now = console.region.clock.now();
    let kind = super::resource("boot-attempt").kind();
    let title = words::label(&kind.plural);
    let own_key = key(&attempt).to_owned();
    let item = proto::masks::to_dynamic(&attempt);
    // The trace says the rest.
    let pairs = cells::pairs(kind, &item, now).into_iter();
    let told = ["stages", "mac", "cause", "outcome", "stage"].map(words::label);
    frame::render(&BootPage {
        boots: Boots::of(&all, &own_key, |own| page_of("boot-attempt", key(own)), now),
        pairs: pairs.filter(|pair| !told.contains(&pair.label)).collect(),
        make: make_machine(&visitor, &attempt),
        machine: reference("machine", &attempt.machine),
        frame: Frame::new(&visitor, &[(&title, "/boot-attempts"), (&attempt.mac, "")], now)
            .command(format!("hostler {} trace {own_key}", kind.spoken()))
            .live(&["boot-attempt", "machine", "interface"], cursor),
        architecture: attempt.architecture,
        mac: attempt.mac,
    })
}
