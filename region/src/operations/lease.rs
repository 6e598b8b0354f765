//! What only leases do: they are recorded as racks tell them, each fact once, and released by operators.

mod known;
mod release;

pub use release::release;

use common::{
    Id, Timestamp,
    report::{LeaseChanged, LeaseState},
};
use plan::Lease;
use prost::Message;
use proto::v1::Change;
use uuid::Uuid;

use super::{OperationError, Tx, rack};
use crate::{
    Region,
    db::{
        leases::{self, Places},
        positions::{self, Outbox},
        stored::Saved,
    },
    events::{self, NewEvent},
    resources::Resource,
};
use known::Known;

/// One batch of a rack, times already by region's clock.
#[derive(Clone, Debug)]
pub struct Facts {
    pub outbox: Outbox,
    /// What people call the rack.
    pub rack: String,
    pub leases: Vec<LeaseChanged>,
    /// The highest number in the batch.
    pub newest: u64,
    pub snapshot: Option<Snapshot>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub first: bool,
    pub last: bool,
    pub upto: u64,
}

/// What is recorded of each batch's outbox then. One transaction for all: rows, events and positions, or nothing.
pub async fn record(region: &Region, batches: Vec<Facts>) -> Result<Vec<u64>, OperationError> {
    region
        .write(&rack::system(), move |tx| {
            let mut recording = Recording::begin(tx, &batches)?;
            let mut positions = Vec::with_capacity(batches.len());
            for facts in &batches {
                positions.push(recording.take(tx, facts)?);
            }
            recording.save(tx)?;
            Ok(positions)
        })
        .await
}

/// A rack's clock is held against region's per batch, and the network's delay is in that: starts nearer than this are one start.
const SAME_START: i64 = 5_000_000;

/// Changes laid over what the database has, written at the end in a few statements.
struct Recording {
    places: Places,
    known: Known,
    events: Vec<Told>,
}

struct Told {
    event: &'static str,
    created: bool,
    saved: Saved<Lease>,
    rack: String,
    detail: &'static str,
}

impl Recording {
    fn begin(tx: &mut Tx<'_>, batches: &[Facts]) -> Result<Self, OperationError> {
        let changes = || batches.iter().flat_map(|facts| &facts.leases);
        let vlans = sorted(changes().map(|lease| lease.vlan.uuid()));
        let racks = sorted(batches.iter().map(|facts| facts.outbox.rack.uuid()));
        let places = Places::load(tx.conn, &vlans, &racks)?;
        let known = leases::lock(tx.conn, &sorted(changes().map(|lease| lease.address)))?;
        Ok(Self { places, known: Known::new(known), events: Vec::new() })
    }

    /// What is recorded of this outbox after it.
    fn take(&mut self, tx: &mut Tx<'_>, facts: &Facts) -> Result<u64, OperationError> {
        let recorded = positions::lock(tx.conn, facts.outbox)?;
        let rack = facts.outbox.rack;
        if facts.snapshot.is_some_and(|snapshot| snapshot.first) {
            positions::begin_snapshot(tx.conn, rack)?;
        }
        let is_new = |lease: &&LeaseChanged| facts.snapshot.is_some() || lease.number > recorded;
        let named: Vec<Uuid> = facts
            .leases
            .iter()
            .filter(is_new)
            .map(|lease| self.apply(facts, lease, tx.now.micros()))
            .collect();
        let reached = match facts.snapshot {
            None => recorded.max(facts.newest),
            Some(snapshot) => {
                positions::note_named(tx.conn, rack, &named)?;
                if snapshot.last {
                    self.forget_unnamed(tx, facts)?;
                    recorded.max(snapshot.upto)
                } else {
                    recorded
                }
            }
        };
        if reached != recorded {
            positions::save(tx.conn, facts.outbox, reached)?;
        }
        Ok(reached)
    }

    /// The id of the lease that the change is of.
    fn apply(&mut self, facts: &Facts, lease: &LeaseChanged, now: i64) -> Uuid {
        let (key, value) = self.places.lease(facts.outbox.rack, lease);
        let before = self.known.at(lease.vlan, lease.address);
        let created = before.is_none();
        let (saved, event) = match before {
            None => {
                let id = Id::new(Uuid::now_v7());
                let saved = Saved { id, key, revision: 1, created_at: now, updated_at: now, value };
                (saved, Some(event_of(lease.state)))
            }
            Some(before) => {
                let value = keep_start(&before.value, value);
                let event = news(before, &key, &value);
                let revision = before.revision + i64::from(event.is_some());
                (Saved { key, revision, updated_at: now, value, ..before.clone() }, event)
            }
        };
        let id = saved.id.uuid();
        if let Some(displaced) = self.known.put(saved.clone(), now) {
            let detail = "its address is of another VLAN's subnet now";
            self.tell(facts, Told { detail, ..Told::of(UPDATED, displaced) });
        }
        if let Some(event) = event {
            self.tell(facts, Told { created, ..Told::of(event, saved) });
        }
        id
    }

    fn tell(&mut self, facts: &Facts, told: Told) {
        self.events.push(Told { rack: facts.rack.clone(), ..told });
    }

    /// What the rack does not name is gone: the facts of its end were lost to a full disk.
    fn forget_unnamed(&mut self, tx: &mut Tx<'_>, facts: &Facts) -> Result<(), OperationError> {
        let gone = leases::bound_and_unnamed(tx.conn, facts.outbox.rack)?;
        let detail = format!("leases that the snapshot does not name: {}", gone.len());
        for found in gone {
            // What came in since is laid over it, and newer.
            if self.known.was_told(found.id.uuid()) {
                continue;
            }
            let mut saved = self.known.learn(found);
            saved.value.state = LeaseState::Expired;
            (saved.revision, saved.updated_at) = (saved.revision + 1, tx.now.micros());
            self.places.learn(tx.conn, &saved.value)?;
            self.known.put(saved.clone(), tx.now.micros());
            let detail = "not in the rack's snapshot";
            self.tell(facts, Told { detail, ..Told::of(event_of(LeaseState::Expired), saved) });
        }
        positions::begin_snapshot(tx.conn, facts.outbox.rack)?;
        let about = Some((facts.outbox.rack, facts.rack.as_str()));
        rack::tell(tx, "facts.collapsed", about, &detail)
    }

    fn save(self, tx: &mut Tx<'_>) -> Result<(), OperationError> {
        self.known.save(tx.conn)?;
        let bodies: Vec<Vec<u8>> = self
            .events
            .iter()
            .map(|told| Lease::show(&told.saved, self.places.names()).encode_to_vec())
            .collect();
        let told = self.events.iter().zip(&bodies);
        let events: Vec<NewEvent<'_>> =
            told.map(|(told, body)| event(tx.now, told, body)).collect();
        tx.cursor = events::append_many(tx.conn, &events)?.or(tx.cursor);
        Ok(())
    }
}

impl Told {
    fn of(event: &'static str, saved: Saved<Lease>) -> Self {
        Self { event, created: false, saved, rack: String::new(), detail: "" }
    }
}

const UPDATED: &str = "lease.updated";

/// Nothing when a renewal changes only the end.
fn news(before: &Saved<Lease>, key: &str, value: &Lease) -> Option<&'static str> {
    let (ends_at, subnet) = (value.ends_at, value.subnet);
    let renewed = Lease { ends_at, subnet, ..before.value.clone() } == *value;
    let called_as_before = before.key == key && before.value.subnet == subnet;
    match (renewed, called_as_before) {
        (true, true) => None,
        (true, false) => Some(UPDATED),
        (false, _) => Some(event_of(value.state)),
    }
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A renewal comes with the start of its lease, a little off: see `SAME_START`.
fn keep_start(before: &Lease, after: Lease) -> Lease {
    let near = |a: Timestamp, b: Timestamp| (a.micros() - b.micros()).abs() < SAME_START;
    match (before.started_at, after.started_at) {
        (Some(old), Some(new)) if near(old, new) => Lease { started_at: Some(old), ..after },
        _ => after,
    }
}

fn event<'a>(now: Timestamp, told: &'a Told, body: &'a [u8]) -> NewEvent<'a> {
    NewEvent {
        at: now,
        name: told.event,
        change: if told.created { Change::Created } else { Change::Updated },
        kind: Lease::NOUN,
        object: Some(told.saved.id.uuid()),
        key: &told.saved.key,
        revision: told.saved.revision,
        actor: &told.rack,
        detail: told.detail,
        body,
    }
}

fn event_of(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Bound => "lease.bound",
        LeaseState::Released => "lease.released",
        LeaseState::Declined => "lease.declined",
        LeaseState::Expired => "lease.expired",
    }
}
