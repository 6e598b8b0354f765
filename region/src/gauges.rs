//! What metrics tell of the database's contents, and of what racks count: looked up now and then, since nothing happens as it changes.

use common::report::FactClass;
use runtime::telemetry::Causes;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use crate::{
    Region, events,
    operations::{OperationError, rack, usage},
};

const PERIOD: Duration = Duration::from_secs(15);
/// Counting walks every lease.
const COUNT_EVERY: u32 = 4;

pub(crate) fn spawn(region: &Region) {
    let (own, shutdown) = (region.clone(), region.tasks.shutdown());
    region.tasks.spawn("gauges", async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run(&own) => {}
        }
    });
}

async fn run(region: &Region) {
    let mut shown = HashSet::new();
    let mut turn = 0;
    loop {
        if let Err(error) = look(region, turn % COUNT_EVERY == 0, &mut shown).await {
            tracing::debug!(error = %Causes(&error), "the gauges stay as they are");
        }
        turn = turn.wrapping_add(1);
        tokio::time::sleep(PERIOD).await;
    }
}

async fn look(
    region: &Region,
    count: bool,
    shown: &mut HashSet<String>,
) -> Result<(), OperationError> {
    // First: it does not need the database, and grows when that is away.
    show_waiting(region);
    let behind = region.db.read(events::unread_since).await?;
    let age = behind.map_or(0, |since| region.clock.now().micros().saturating_sub(since.micros()));
    metrics::gauge!("hostler_event_horizon_age_seconds").set(age.max(0) as f64 / 1e6);
    if count {
        let fills = region.read(&rack::system(), usage::fills).await?;
        let fills: HashMap<String, (u64, u64)> = fills
            .into_iter()
            .map(|fill| (fill.subnet, (fill.dynamic.saturating_sub(fill.held), fill.held)))
            .collect();
        // A subnet that is gone is no number, and never one without free addresses.
        for gone in shown.iter().filter(|subnet| !fills.contains_key(*subnet)) {
            show(gone, [f64::NAN; 2]);
        }
        for (subnet, (free, held)) in &fills {
            show(subnet, [*free as f64, *held as f64]);
        }
        *shown = fills.into_keys().collect();
    }
    Ok(())
}

/// Of the racks whose streams this process holds; which of them it is, their own metrics say and the page of racks.
fn show_waiting(region: &Region) {
    let counts = region.racks.counts();
    for class in FactClass::ALL {
        let waiting = || counts.values().filter_map(|counts| counts.waiting.get(&class));
        let facts: f64 = waiting().map(|own| own.facts as f64).sum();
        let oldest = waiting().map(|own| own.oldest).max().unwrap_or_default();
        let name = match class {
            FactClass::Lease => "lease",
            FactClass::Boot => "boot",
        };
        metrics::gauge!("hostler_rack_facts_waiting", "class" => name).set(facts);
        metrics::gauge!("hostler_rack_facts_oldest_seconds", "class" => name)
            .set(oldest.as_secs_f64());
    }
}

fn show(subnet: &str, [free, bound]: [f64; 2]) {
    for (state, count) in [("free", free), ("bound", bound)] {
        let labels = [("subnet", subnet.to_owned()), ("state", state.to_owned())];
        metrics::gauge!("hostler_subnet_addresses", &labels).set(count);
    }
}
