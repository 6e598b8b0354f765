//! Those who were not let in: into the log and, so that operators see it, into the event log; but strangers must not be able to fill that.

use common::RackId;
use runtime::telemetry::Causes;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};

use crate::{Region, operations::rack};

#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) address: SocketAddr,
    /// What its certificate said, when it had one of ours.
    pub(super) rack: Option<RackId>,
    pub(super) why: String,
}

#[derive(Clone)]
pub(super) struct Refusals(mpsc::Sender<Refusal>);

/// Beyond these it is a flood, and counted.
const WAITING: usize = 64;
/// One event for each address and reason in this time.
const ONCE_IN: Duration = Duration::from_secs(60);
/// Addresses remembered for that; a flood from more is cut as a whole.
const REMEMBERED: usize = 256;

impl Refusals {
    pub(super) fn spawn(region: &Region) -> Self {
        let (to, mut from) = mpsc::channel::<Refusal>(WAITING);
        let (own, shutdown) = (region.clone(), region.tasks.shutdown());
        region.tasks.spawn("refusals", async move {
            let mut told: Vec<(IpAddr, String, Instant)> = Vec::new();
            loop {
                let refusal = tokio::select! {
                    () = shutdown.cancelled() => return,
                    Some(refusal) = from.recv() => refusal,
                };
                told.retain(|(_, _, at)| at.elapsed() < ONCE_IN);
                let address = refusal.address.ip();
                let known = told.iter().any(|told| told.0 == address && told.1 == refusal.why);
                if known || told.len() >= REMEMBERED {
                    tracing::debug!(peer = %refusal.address, reason = %refusal.why, "rack refused again");
                    continue;
                }
                tracing::warn!(peer = %refusal.address, rack = ?refusal.rack, reason = %refusal.why, "rack refused");
                told.push((address, refusal.why.clone(), Instant::now()));
                let detail = format!("{address}: {}", refusal.why);
                if let Err(error) = rack::note_refusal(&own, refusal.rack, detail).await {
                    tracing::warn!(error = %Causes(&error), "a refusal is not in the event log");
                }
            }
        });
        Self(to)
    }

    pub(super) fn note(&self, refusal: Refusal) {
        metrics::counter!("hostler_rack_refusals_total").increment(1);
        let _ = self.0.try_send(refusal);
    }
}
