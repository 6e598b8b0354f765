//! What only leases do: they are recorded as racks tell them, each fact once, and released by operators.

use common::{
    Id, Timestamp,
    report::{LeaseChanged, LeaseState},
    request::{Answer, Request},
};
use plan::Lease;
use prost::Message;
use proto::v1::Change;
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

use super::{OperationError, Tx, rack};
use crate::{
    Region,
    auth::{Actor, Verb, authorise},
    db::{
        leases::{self, Places},
        positions::{self, Outbox},
        stored::Saved,
    },
    dispatch::AskError,
    events::{self, NewEvent},
    resources::Resource,
};

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
    rows: HashMap<String, Row>,
    events: Vec<Told>,
}

struct Row {
    saved: Saved<Lease>,
    changed: bool,
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
        let changes = || {
            batches.iter().flat_map(|facts| facts.leases.iter().map(move |lease| (facts, lease)))
        };
        let vlans = sorted(changes().map(|(_, lease)| lease.vlan.uuid()));
        let racks = sorted(batches.iter().map(|facts| facts.outbox.rack.uuid()));
        let places = Places::load(tx.conn, &vlans, &racks)?;
        let key = |(facts, lease): (&Facts, _)| places.lease(facts.outbox.rack, lease).0;
        let rows = leases::lock(tx.conn, &sorted(changes().map(key)))?;
        let rows = rows.into_iter().map(|(key, saved)| (key, Row { saved, changed: false }));
        Ok(Self { rows: rows.collect(), places, events: Vec::new() })
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
        let row = self.rows.get(&key);
        let (saved, event) = match row.map(|row| &row.saved) {
            None => {
                let id = Id::new(Uuid::now_v7());
                let saved = Saved {
                    id,
                    key: key.clone(),
                    revision: 1,
                    created_at: now,
                    updated_at: now,
                    value,
                };
                (saved, Some(event_of(lease.state)))
            }
            Some(before) => {
                let value = keep_start(&before.value, value);
                let renewed = Lease { ends_at: value.ends_at, ..before.value.clone() } == value;
                let (event, revision) = match renewed {
                    true => (None, before.revision),
                    false => (Some(event_of(lease.state)), before.revision + 1),
                };
                (Saved { revision, updated_at: now, value, ..before.clone() }, event)
            }
        };
        let id = saved.id.uuid();
        if let Some(event) = event {
            let created = row.is_none();
            let rack = facts.rack.clone();
            self.events.push(Told { event, created, saved: saved.clone(), rack, detail: "" });
        }
        self.rows.insert(key, Row { saved, changed: true });
        id
    }

    /// What the rack does not name is gone: the facts of its end were lost to a full disk.
    fn forget_unnamed(&mut self, tx: &mut Tx<'_>, facts: &Facts) -> Result<(), OperationError> {
        let gone = leases::bound_and_unnamed(tx.conn, facts.outbox.rack)?;
        let detail = format!("leases that the snapshot does not name: {}", gone.len());
        for mut saved in gone {
            // What came in since is laid over it, and newer.
            if self.rows.get(&saved.key).is_some_and(|row| row.changed) {
                continue;
            }
            saved.value.state = LeaseState::Expired;
            (saved.revision, saved.updated_at) = (saved.revision + 1, tx.now.micros());
            self.places.learn(tx.conn, &saved.value)?;
            let told = Told {
                event: event_of(LeaseState::Expired),
                created: false,
                saved: saved.clone(),
                rack: facts.rack.clone(),
                detail: "not in the rack's snapshot",
            };
            self.events.push(told);
            self.rows.insert(saved.key.clone(), Row { saved, changed: true });
        }
        positions::begin_snapshot(tx.conn, facts.outbox.rack)?;
        let about = Some((facts.outbox.rack, facts.rack.as_str()));
        rack::tell(tx, "facts.collapsed", about, &detail)
    }

    fn save(mut self, tx: &mut Tx<'_>) -> Result<(), OperationError> {
        let changed = std::mem::take(&mut self.rows).into_values().filter(|row| row.changed);
        let mut changed: Vec<Saved<Lease>> = changed.map(|row| row.saved).collect();
        // In one order, so that two regions that record at once never wait for each other.
        changed.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        leases::save(tx.conn, &changed)?;
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

/// A rack answers from its memory; more than this is a rack that does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Asks the rack that gave the lease to end it. What became of it comes as a fact, like any other end.
pub async fn release(region: &Region, actor: &Actor, id: &str) -> Result<(), OperationError> {
    let id = id.to_owned();
    let lease = region
        .read(actor, move |tx| {
            authorise(tx.actor, Lease::NOUN, Verb::Release)?;
            super::find::<Lease>(tx.conn, &id)
        })
        .await?;
    let (Some(rack), Some(vlan)) = (lease.value.rack, lease.value.vlan) else {
        return Err(OperationError::Unanswered(AskError::Unreachable));
    };
    let request = Request::ReleaseLease { vlan: vlan.cast(), address: lease.value.address };
    match region.racks.ask(rack.cast(), request, ANSWER_WITHIN).await? {
        Answer::Done => Ok(()),
        Answer::Refused(why) => Err(OperationError::RackRefused { key: lease.key, why }),
    }
}
