//! Which facts of a class go to region next: those after what it has recorded, a few batches ahead of its word, and after a reconnect from there again.

use proto::v1;
use runtime::clock::Clock;
use std::{collections::VecDeque, time::Duration};
use tokio::{sync::watch, time::Instant};

use super::outbox::{Next, Outbox, OutboxError};
use crate::store::leases::SnapshotPages;

const BATCH: usize = 512;
/// How long facts wait for others to go with, while region has enough to do.
const COMPANY: Duration = Duration::from_millis(50);
/// Batches that region has not recorded yet; more would only lie in buffers.
const AHEAD: usize = 8;

pub(super) struct Facts {
    outbox: Outbox,
    newest: watch::Receiver<u64>,
    recorded: watch::Receiver<u64>,
    /// The number of the last fact that was sent in this session.
    sent: u64,
    /// The last number of each batch that is not recorded yet.
    unrecorded: VecDeque<u64>,
    /// A snapshot that is being sent.
    pages: Option<SnapshotPages>,
    /// When the first of those that wait for company came.
    waiting: Option<Instant>,
    clock: Clock,
}

impl Facts {
    /// `recorded` is what region says it has, now by its hello and later by its acknowledgements.
    pub(super) fn new(outbox: Outbox, mut recorded: watch::Receiver<u64>, clock: Clock) -> Self {
        let sent = *recorded.borrow_and_update();
        Self {
            newest: outbox.newest(),
            outbox,
            recorded,
            sent,
            unrecorded: VecDeque::new(),
            pages: None,
            waiting: None,
            clock,
        }
    }

    /// Waits until a batch is due. May be dropped while it waits; nothing is lost.
    pub(super) async fn next(&mut self) -> Result<v1::FactBatch, OutboxError> {
        loop {
            let recorded = *self.recorded.borrow_and_update();
            while self.unrecorded.front().is_some_and(|last| *last <= recorded) {
                self.unrecorded.pop_front();
            }
            if self.unrecorded.len() >= AHEAD {
                news(&mut self.recorded).await;
                continue;
            }
            if let Some(batch) = self.next_page() {
                return Ok(batch);
            }
            if !self.due().await {
                continue;
            }
            match self.outbox.read(self.sent, BATCH).await? {
                Next::Facts { batch, upto } => {
                    self.waiting = None;
                    self.sent = upto;
                    // Numbers may have gaps.
                    let Some(batch) = batch else { continue };
                    self.unrecorded.push_back(self.sent);
                    return Ok(self.stamped(batch));
                }
                Next::Collapsed(pages) => {
                    tracing::warn!(
                        fact = pages.upto(),
                        "the log no longer has all that region has not recorded; it gets all leases as they are"
                    );
                    self.pages = Some(pages);
                }
            }
        }
    }

    fn next_page(&mut self) -> Option<v1::FactBatch> {
        let pages = self.pages.as_mut()?;
        let upto = pages.upto();
        let Some(page) = pages.next_page(BATCH) else {
            self.pages = None;
            return None;
        };
        if page.last {
            self.pages = None;
            self.sent = upto;
            self.unrecorded.push_back(upto);
        }
        let snapshot = v1::Snapshot { first: page.first, last: page.last, upto };
        let leases = page.leases.iter().map(Into::into).collect();
        Some(self.stamped(v1::FactBatch {
            class: v1::FactClass::Lease.into(),
            leases,
            snapshot: Some(snapshot),
            ..Default::default()
        }))
    }

    /// False: something changed, and the question is to be asked again.
    async fn due(&mut self) -> bool {
        let newest = *self.newest.borrow_and_update();
        let count = newest.saturating_sub(self.sent);
        if count == 0 {
            tokio::select! {
                () = news(&mut self.newest) => {}
                () = news(&mut self.recorded) => {}
            }
            return false;
        }
        // Region has nothing to do, or there is enough to go.
        if self.unrecorded.is_empty() || count >= BATCH as u64 {
            return true;
        }
        let since = *self.waiting.get_or_insert_with(Instant::now);
        tokio::select! {
            () = tokio::time::sleep_until(since + COMPANY) => true,
            () = news(&mut self.newest) => false,
            () = news(&mut self.recorded) => false,
        }
    }

    fn stamped(&self, batch: v1::FactBatch) -> v1::FactBatch {
        let count = batch.leases.len() + batch.boots.len();
        metrics::counter!("hostler_rack_facts_sent_total", "class" => self.outbox.name())
            .increment(count as u64);
        v1::FactBatch { sent_at: self.clock.now().micros(), ..batch }
    }
}

/// Never, once the sender is gone: the rack is shutting down, and this task with it.
async fn news(of: &mut watch::Receiver<u64>) {
    if of.changed().await.is_err() {
        std::future::pending().await
    }
}
