//! Boot attempts are recorded as racks tell them, each fact once; an event says that one has started, finished or stalled.

use common::{Id, Timestamp, report};
use plan::{BootAttempt, boot_attempt::Outcome};
use prost::Message;
use proto::v1::{self, Change};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

use super::{OperationError, Tx, machine, rack, show};
use crate::{
    Region,
    auth::{Verb, authorise},
    db::{
        boot_attempts,
        positions::{self, Outbox},
        stored::{Saved, Stored},
    },
    events::{self, NewEvent},
    resources::Resource,
};

/// One batch of a rack, times already by region's clock.
#[derive(Clone, Debug)]
pub struct Facts {
    pub outbox: Outbox,
    /// What people call the rack.
    pub rack: String,
    pub attempts: Vec<report::BootAttempt>,
    /// The highest number in the batch.
    pub newest: u64,
}

/// What is recorded of each batch's outbox then. One transaction for all: rows, events and positions, or nothing.
pub async fn record(region: &Region, batches: Vec<Facts>) -> Result<Vec<u64>, OperationError> {
    region
        .write(&rack::system(), move |tx| {
            let mut positions = Vec::with_capacity(batches.len());
            for facts in &batches {
                positions.push(take(tx, facts)?);
            }
            Ok(positions)
        })
        .await
}

/// What somebody would look at who asks why a machine is not there: one that booted again since is not among them.
pub fn stalled(
    tx: &mut Tx<'_>,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<v1::BootAttempt>, OperationError> {
    authorise(tx.actor, BootAttempt::NOUN, Verb::List)?;
    let found = boot_attempts::stalled_last(tx.conn, since, limit)?;
    found.iter().map(|saved| show(tx.conn, saved)).collect()
}

/// What is recorded of this outbox after it.
fn take(tx: &mut Tx<'_>, facts: &Facts) -> Result<u64, OperationError> {
    let recorded = positions::lock(tx.conn, facts.outbox)?;
    let new: Vec<_> = facts.attempts.iter().filter(|one| one.number > recorded).collect();
    let ids: HashSet<Uuid> = new.iter().map(|one| one.id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let mut rows = boot_attempts::find_many(tx.conn, &ids)?;
    for told in new {
        apply(tx, facts, told, &mut rows)?;
    }
    let reached = recorded.max(facts.newest);
    if reached != recorded {
        positions::save(tx.conn, facts.outbox, reached)?;
    }
    Ok(reached)
}

fn apply(
    tx: &mut Tx<'_>,
    facts: &Facts,
    told: &report::BootAttempt,
    rows: &mut HashMap<Uuid, Saved<BootAttempt>>,
) -> Result<(), OperationError> {
    let before = rows.get(&told.id);
    let rack = facts.outbox.rack;
    if before.is_some_and(|before| before.value.rack != Some(rack.cast())) {
        tracing::warn!(rack = %facts.rack, attempt = %told.id, "it tells of another rack's boot attempt, which is left as it is");
        return Ok(());
    }
    let vlan = boot_attempts::vlan(tx.conn, told.vlan)?;
    let machine = machine::whose(tx.conn, told)?;
    let value = BootAttempt::told(rack, told, machine, vlan);
    let was = before.map(|before| before.value.outcome);
    let saved = match before {
        Some(before) if before.value == value => return Ok(()),
        Some(before) => {
            let (revision, updated_at) = (before.revision + 1, tx.now.micros());
            let saved = Saved { revision, updated_at, value, ..before.clone() };
            BootAttempt::update(tx.conn, &saved)?;
            saved
        }
        None => {
            let saved = Saved {
                id: Id::new(told.id),
                key: format!("{}@{}", told.mac, short(told.id)),
                revision: 1,
                created_at: tx.now.micros(),
                updated_at: tx.now.micros(),
                value,
            };
            BootAttempt::insert(tx.conn, &saved)?;
            saved
        }
    };
    tell(tx, facts, &saved, was)?;
    machine::seen(tx, told)?;
    rows.insert(told.id, saved);
    Ok(())
}

/// Enough of an id to tell the attempts of one machine apart. A rack makes ids of its session and of a count that begins anew with each, so both are in
/// what is left of it.
fn short(id: Uuid) -> String {
    let (session, count) = id.as_u64_pair();
    format!("{:012x}", (session ^ count) & 0xffff_ffff_ffff)
}

/// Only of transitions: how a boot goes on in between is in its row.
fn tell(
    tx: &mut Tx<'_>,
    facts: &Facts,
    saved: &Saved<BootAttempt>,
    was: Option<Outcome>,
) -> Result<(), OperationError> {
    let own = &saved.value;
    let mut news = Vec::new();
    if was.is_none() {
        news.push(("boot.started", Change::Created, own.architecture.clone()));
    }
    if was != Some(own.outcome) {
        match own.outcome {
            Outcome::Running => {}
            Outcome::Finished => {
                let seconds = own.micros() / 1_000_000;
                news.push(("boot.finished", Change::Updated, format!("after {seconds} s")));
            }
            Outcome::Stalled => {
                let detail = format!("at {}: {}", own.stage, own.cause);
                news.push(("boot.stalled", Change::Updated, detail));
            }
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    let body = show(tx.conn, saved)?.encode_to_vec();
    for (name, change, detail) in &news {
        let event = NewEvent {
            at: tx.now,
            name,
            change: *change,
            kind: BootAttempt::NOUN,
            object: Some(saved.id.uuid()),
            key: &saved.key,
            revision: saved.revision,
            actor: &facts.rack,
            detail,
            body: &body,
        };
        tx.cursor = Some(events::append(tx.conn, &event)?);
    }
    Ok(())
}
