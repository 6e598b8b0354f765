//! Clients that come at a steady rate, and a watcher of the event log: from each ACK to the event that tells of it. One process notes both moments.

use super::{
    operator::{connect, on_region},
    report::Report,
};
use crate::lab::{
    Node,
    centre::{Centre, SEGMENT_A},
    region::Region,
    swarm::paced::{Arrivals, Binding},
};
use anyhow::{Context, ensure};
use proto::v1::{self, Change, events_client::EventsClient};
use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// The hardware addresses of each are its own.
const LOADS: [(u8, Arrivals); 2] = [
    (1, Arrivals { count: 200, every: Duration::from_millis(100) }),
    (2, Arrivals { count: 10_000, every: Duration::from_millis(1) }),
];
/// A watcher that hears nothing for so long has heard everything.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) fn measure(centre: &Centre, report: &mut Report) -> anyhow::Result<()> {
    let clients = centre.node("bench", SEGMENT_A)?;
    for (family, arrivals) in LOADS {
        let rate = Duration::from_secs(1).div_duration_f64(arrivals.every);
        let (bindings, told) = observe(&centre.region, &clients, family, arrivals)?;
        // An event that outran our own look at the ACK took no time.
        let late = |own: &Binding| {
            told.get(&own.address).map(|told| told.saturating_duration_since(own.acknowledged))
        };
        let times: Vec<_> = bindings.iter().filter_map(late).collect();
        let (asked, untold) = (usize::from(arrivals.count), bindings.len() - times.len());
        report.times(&format!("ACK to event at a watcher, {rate:.0} leases/s"), times)?;
        let exchanges = bindings.iter().map(|own| own.acknowledged - own.began).collect();
        report.times(&format!("DISCOVER to ACK meanwhile, {rate:.0} leases/s"), exchanges)?;
        let unanswered = asked - bindings.len();
        if unanswered + untold > 0 {
            report.remark(&format!(
                "above: {unanswered} of {asked} clients, that ask once, got no lease; {untold} leases had no event in time"
            ))?;
        }
    }
    Ok(())
}

type Told = HashMap<Ipv4Addr, Instant>;

fn observe(
    region: &Region,
    clients: &Node,
    family: u8,
    arrivals: Arrivals,
) -> anyhow::Result<(Vec<Binding>, Told)> {
    // One word: the watcher has begun.
    let (ready, begun) = sync_channel(1);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            on_region(region, async || watch(region, ready, arrivals.count.into()).await)
        });
        // An error of the watcher tells more than that it never began.
        let bindings = begun.recv().ok().map(|()| arrivals.run(clients, family));
        let told = watching.join().map_err(|_| anyhow::anyhow!("the watcher panicked"))??;
        Ok((bindings.context("the watcher began")??, told))
    })
}

/// When each lease's event came.
async fn watch(region: &Region, ready: SyncSender<()>, count: usize) -> anyhow::Result<Told> {
    let mut client = EventsClient::new(connect(region).await?);
    let filter = "type=lease.bound".into();
    let request = v1::WatchRequest { filter, newest: Some(0), ..v1::WatchRequest::default() };
    let mut events = client.watch(request).await?.into_inner();
    let first = events.message().await?.context("the watch ended")?;
    ensure!(first.change() == Change::Current, "a watcher of what comes is told {first:?}");
    ready.send(()).context("somebody waits")?;
    let mut told = HashMap::new();
    while told.len() < count {
        let Ok(event) = timeout(SILENCE, events.message()).await else { break };
        let arrived = Instant::now();
        let item = event?.and_then(|event| event.item).context("an event")?;
        told.insert(item.key.parse()?, arrived);
    }
    Ok(told)
}
