//! Facts of all streams of this process, recorded by one task: many in one transaction, so that the database syncs once for them.

use common::{
    RackId, Timestamp,
    report::{BootAttempt, FactClass, LeaseChanged},
};
use proto::v1;
use runtime::{backoff::Backoff, telemetry::Causes};
use std::{
    collections::HashMap,
    fmt::Display,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::acknowledgements::Acknowledgements;
use crate::{
    Region,
    db::{DbError, positions::Outbox},
    operations::{
        OperationError, boot_attempt,
        lease::{self, Snapshot},
        rack,
    },
};

/// A batch of one stream as it came in, and where its acknowledgement goes.
pub struct Batch {
    pub outbox: Outbox,
    /// What people call the rack.
    pub key: String,
    pub facts: v1::FactBatch,
    pub received: Timestamp,
    pub recorded: Acknowledgements,
    /// Of its stream: a batch of it cannot be recorded, so nothing later may be either, and the stream ends.
    pub refused: CancellationToken,
}

/// Each rack has at most 8 batches under way; with more waiting than this, streams are held up and not memory.
const WAITING: usize = 64;
/// What one transaction takes; an operator waits for one of these at most.
const MOST_FACTS: usize = 512;

pub fn spawn(region: &Region) -> mpsc::Sender<Batch> {
    let (to, from) = mpsc::channel(WAITING);
    let own = region.clone();
    region.tasks.spawn("ingest", run(own, from));
    to
}

async fn run(region: Region, mut from: mpsc::Receiver<Batch>) {
    let shutdown = region.tasks.shutdown();
    let mut recorder = Recorder { region, told: HashMap::new() };
    let mut next: Option<Batch> = None;
    loop {
        let first = match next.take() {
            Some(batch) => batch,
            None => tokio::select! {
                () = shutdown.cancelled() => return,
                Some(batch) = from.recv() => batch,
            },
        };
        let mut facts = count(&first);
        let mut batches = vec![first];
        while let Ok(batch) = from.try_recv() {
            facts += count(&batch);
            if facts > MOST_FACTS {
                next = Some(batch);
                break;
            }
            batches.push(batch);
        }
        batches.retain(|batch| !batch.refused.is_cancelled());
        tokio::select! {
            () = recorder.record(&batches) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

struct Recorder {
    region: Region,
    /// By rack, the batch that was last refused: the rack sends it again with each stream, and one event for it is enough.
    told: HashMap<RackId, (Outbox, u64)>,
}

impl Recorder {
    async fn record(&mut self, batches: &[Batch]) {
        for class in FactClass::ALL {
            let of_class = batches.iter().filter(|batch| batch.outbox.class == class);
            let (batches, facts): (Vec<&Batch>, Vec<Facts>) =
                of_class.map(|batch| (batch, read(batch))).unzip();
            if !batches.is_empty() {
                self.record_class(&batches, &facts).await;
            }
        }
    }

    /// All at once; where the database will not have that, each by itself, so that only the rack that sent it bears a bad fact.
    async fn record_class(&mut self, batches: &[&Batch], facts: &[Facts]) {
        let started = Instant::now();
        match self.attempt(facts).await {
            Ok(positions) => {
                metrics::histogram!("hostler_facts_transaction_seconds").record(started.elapsed());
                let recorded = batches.iter().zip(positions);
                recorded.for_each(|(batch, number)| self.acknowledge(batch, number));
            }
            Err(_) => {
                for (batch, facts) in batches.iter().zip(facts) {
                    self.record_alone(batch, facts).await;
                }
            }
        }
    }

    async fn record_alone(&mut self, batch: &Batch, facts: &Facts) {
        // An earlier batch of the stream is missing: the acknowledgement of this one would cover that.
        if batch.refused.is_cancelled() {
            return;
        }
        match self.attempt(std::slice::from_ref(facts)).await {
            Ok(positions) => {
                positions.into_iter().for_each(|number| self.acknowledge(batch, number));
            }
            Err(error) => self.refuse(batch, facts, &error).await,
        }
    }

    /// Until the database is there: the racks keep what is not acknowledged, so nothing is lost by waiting, but nothing may be skipped. What clashes again
    /// and again is no matter of waiting.
    async fn attempt(&self, facts: &[Facts]) -> Result<Vec<u64>, OperationError> {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        let mut clashes = 0;
        loop {
            match Facts::record(&self.region, facts).await {
                Err(OperationError::Db(DbError::Clashed(reason))) if clashes < MOST_CLASHES => {
                    clashes += 1;
                    tracing::warn!(batches = facts.len(), clashes, %reason, "facts not recorded yet");
                    tokio::time::sleep(backoff.next()).await;
                }
                Err(error @ OperationError::Db(DbError::Away(_) | DbError::Busy)) => {
                    tracing::warn!(batches = facts.len(), error = %Causes(&error), "facts not recorded yet");
                    tokio::time::sleep(backoff.next()).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn acknowledge(&self, batch: &Batch, number: u64) {
        metrics::counter!("hostler_facts_recorded_total").increment(count(batch) as u64);
        let lag = self.region.clock.now().micros().saturating_sub(batch.received.micros());
        metrics::histogram!("hostler_facts_lag_seconds").record(lag as f64 / 1e6);
        batch.recorded.note(batch.outbox.class, number);
    }

    async fn refuse(&mut self, batch: &Batch, facts: &Facts, error: &OperationError) {
        batch.refused.cancel();
        metrics::counter!("hostler_facts_refused_total").increment(count(batch) as u64);
        let (rack, reason) = (batch.outbox.rack, Causes(error).to_string());
        tracing::error!(rack = %batch.key, upto = facts.newest(), %reason, "facts cannot be recorded; the rack's stream ends");
        let place = (batch.outbox, facts.newest());
        if self.told.get(&rack) == Some(&place) {
            return;
        }
        let (key, upto) = (batch.key.clone(), facts.newest());
        let actor = rack::system();
        let noted = self.region.write(&actor, move |tx| {
            let detail = format!("up to number {upto}: {reason}");
            rack::tell(tx, "facts.refused", Some((rack, &key)), &detail)
        });
        match noted.await {
            Ok(()) => drop(self.told.insert(rack, place)),
            Err(error) => {
                tracing::warn!(error = %Causes(&error), "refused facts are not in the event log");
            }
        }
    }
}

/// Each is five attempts already.
const MOST_CLASHES: u32 = 3;
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

fn count(batch: &Batch) -> usize {
    batch.facts.leases.len() + batch.facts.boots.len()
}

/// Of one class, as it is recorded.
enum Facts {
    Leases(lease::Facts),
    Boots(boot_attempt::Facts),
}

impl Facts {
    /// They are all of one class.
    async fn record(region: &Region, all: &[Self]) -> Result<Vec<u64>, OperationError> {
        let (mut leases, mut boots) = (Vec::new(), Vec::new());
        for facts in all {
            match facts {
                Self::Leases(facts) => leases.push(facts.clone()),
                Self::Boots(facts) => boots.push(facts.clone()),
            }
        }
        match leases.is_empty() {
            true => boot_attempt::record(region, boots).await,
            false => lease::record(region, leases).await,
        }
    }

    fn newest(&self) -> u64 {
        match self {
            Self::Leases(facts) => facts.newest,
            Self::Boots(facts) => facts.newest,
        }
    }
}

/// Times become region's: the rack's clock as it sent the batch is held against ours as it came.
fn read(batch: &Batch) -> Facts {
    let shift = batch.received.micros().saturating_sub(batch.facts.sent_at);
    match batch.outbox.class {
        FactClass::Lease => Facts::Leases(read_leases(batch, shift)),
        FactClass::Boot => Facts::Boots(read_boots(batch, shift)),
    }
}

fn read_leases(batch: &Batch, shift: i64) -> lease::Facts {
    let facts = batch.facts.leases.iter();
    let leases = facts.filter_map(|fact| {
        let lease: LeaseChanged = readable(batch, fact.number, fact.clone().try_into())?;
        let (started, ends) = (lease.started.shifted(shift), lease.ends.shifted(shift));
        Some(LeaseChanged { started, ends, ..lease })
    });
    let snapshot = batch.facts.snapshot.map(|own| Snapshot {
        first: own.first,
        last: own.last,
        upto: own.upto,
    });
    lease::Facts {
        outbox: batch.outbox,
        rack: batch.key.clone(),
        leases: leases.collect(),
        newest: newest(batch.facts.leases.iter().map(|fact| fact.number)),
        snapshot,
    }
}

fn read_boots(batch: &Batch, shift: i64) -> boot_attempt::Facts {
    let facts = batch.facts.boots.iter();
    let attempts = facts.filter_map(|fact| {
        let mut attempt: BootAttempt = readable(batch, fact.number, fact.clone().try_into())?;
        attempt.stages.iter_mut().for_each(|stage| stage.at = stage.at.shifted(shift));
        Some(attempt)
    });
    boot_attempt::Facts {
        outbox: batch.outbox,
        rack: batch.key.clone(),
        attempts: attempts.collect(),
        newest: newest(batch.facts.boots.iter().map(|fact| fact.number)),
    }
}

/// Also of those left out, or the rack would send them for ever.
fn newest(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.max().unwrap_or_default()
}

fn readable<T, E: Display>(batch: &Batch, number: u64, read: Result<T, E>) -> Option<T> {
    read.map_err(|refused| {
        metrics::counter!("hostler_facts_unreadable_total").increment(1);
        tracing::error!(rack = %batch.key, number, error = %refused, "a fact cannot be read and is left out");
    })
    .ok()
}
