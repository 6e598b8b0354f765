//! Facts of all streams of this process, recorded by one task: many in one transaction, so that the database syncs once for them.

use common::{Timestamp, report::LeaseChanged};
use proto::v1::{self, to_rack};
use runtime::{backoff::Backoff, telemetry::Causes};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

use crate::{
    Region,
    db::positions::Outbox,
    operations::lease::{self, Facts, Snapshot},
};

/// A batch of one stream as it came in, and where its acknowledgement goes.
pub struct Batch {
    pub outbox: Outbox,
    /// What people call the rack.
    pub key: String,
    pub facts: v1::FactBatch,
    pub received: Timestamp,
    pub replies: mpsc::Sender<to_rack::Message>,
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
    let mut next: Option<Batch> = None;
    loop {
        let first = match next.take() {
            Some(batch) => batch,
            None => tokio::select! {
                () = shutdown.cancelled() => return,
                Some(batch) = from.recv() => batch,
            },
        };
        let mut facts = first.facts.leases.len();
        let mut batches = vec![first];
        while let Ok(batch) = from.try_recv() {
            facts += batch.facts.leases.len();
            if facts > MOST_FACTS {
                next = Some(batch);
                break;
            }
            batches.push(batch);
        }
        tokio::select! {
            () = record(&region, &batches) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Until it is recorded: the racks keep what is not acknowledged, so nothing is lost by waiting, but nothing may be skipped.
async fn record(region: &Region, batches: &[Batch]) {
    let facts: Vec<Facts> = batches.iter().map(read).collect();
    let count: usize = facts.iter().map(|facts| facts.leases.len()).sum();
    let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
    let started = Instant::now();
    let positions = loop {
        match lease::record(region, facts.clone()).await {
            Ok(positions) => break positions,
            Err(error) => {
                tracing::warn!(facts = count, error = %Causes(&error), "facts not recorded yet");
                tokio::time::sleep(backoff.next()).await;
            }
        }
    };
    metrics::counter!("hostler_facts_recorded_total").increment(count as u64);
    metrics::histogram!("hostler_facts_transaction_seconds").record(started.elapsed());
    for (batch, number) in batches.iter().zip(positions) {
        let lag = region.clock.now().micros() - batch.received.micros();
        metrics::histogram!("hostler_facts_lag_seconds").record(lag as f64 / 1e6);
        let upto = v1::FactPosition { class: batch.facts.class, number };
        let recorded = v1::FactsRecorded { upto: Some(upto) };
        // A stream that has ended, or does not read, hears it in the next hello.
        let _ = batch.replies.try_send(to_rack::Message::Recorded(recorded));
    }
}

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Times become region's: the rack's clock as it sent the batch is held against ours as it came.
fn read(batch: &Batch) -> Facts {
    let shift = batch.received.micros().saturating_sub(batch.facts.sent_at);
    let mut leases = Vec::with_capacity(batch.facts.leases.len());
    for fact in &batch.facts.leases {
        match LeaseChanged::try_from(fact.clone()) {
            Ok(lease) => leases.push(LeaseChanged {
                started: lease.started.shifted(shift),
                ends: lease.ends.shifted(shift),
                ..lease
            }),
            Err(refused) => {
                metrics::counter!("hostler_facts_unreadable_total").increment(1);
                tracing::error!(rack = %batch.key, number = fact.number, error = %refused, "a fact cannot be read and is left out");
            }
        }
    }
    let snapshot = batch.facts.snapshot.map(|own| Snapshot {
        first: own.first,
        last: own.last,
        upto: own.upto,
    });
    // Also of those left out, or the rack would send them for ever.
    let newest = batch.facts.leases.iter().map(|fact| fact.number).max().unwrap_or_default();
    Facts { outbox: batch.outbox, rack: batch.key.clone(), leases, newest, snapshot }
}
