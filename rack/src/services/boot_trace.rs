//! Follows every machine that boots: what DHCP sees and what is fetched becomes attempts, and those become facts for region.

use engine::boot::trace::{Fetch, FetchStep, Identity, Sighting, Tally, Trace};
use metrics::{counter, gauge};
use prost::Message;
use proto::v1;
use runtime::{clock::Clock, tasks::Tasks};
use std::{
    future::pending,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};
use tokio::sync::{mpsc, watch};

use super::{
    boot::BootTable,
    boot_events::{BootEvent, Failure, Step},
};
use crate::store::facts::FactLog;
use common::{
    rack_config::BootConfig,
    report::{BootAttempt, BootOutcome},
};

/// A machine that boots is seen in some ten packets. More than this in the time of one write to the disk is dropped and counted: no client waits for it.
const QUEUE: usize = 4096;
/// Of what has come, how much is taken in before it is put on the disk.
const AT_ONCE: usize = 512;

/// Where DHCP tells of machines that boot. A clone tells the same listener.
#[derive(Clone, Debug)]
pub struct Sightings(mpsc::Sender<Sighting>);

/// The two ends.
pub fn channel() -> (Sightings, mpsc::Receiver<Sighting>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Sightings(sender), receiver)
}

impl Sightings {
    /// Never waits.
    pub fn tell(&self, sighting: Sighting) {
        if self.0.try_send(sighting).is_err() {
            counter!("hostler_boot_sightings_dropped_total").increment(1);
        }
    }
}

/// What is followed, and where it is written down.
pub struct BootTrace {
    pub sightings: mpsc::Receiver<Sighting>,
    pub fetches: mpsc::Receiver<BootEvent>,
    pub table: watch::Receiver<Option<BootTable>>,
    pub log: FactLog,
    pub clock: Clock,
}

impl BootTrace {
    /// Until shutdown.
    pub fn spawn(self, tasks: &Tasks) {
        let shutdown = tasks.shutdown();
        tasks.spawn("boot trace", async move {
            tokio::select! {
                () = self.run() => {}
                () = shutdown.cancelled() => {}
            }
        });
    }

    async fn run(mut self) {
        let mut trace = Trace::new(RandomState::new().hash_one(self.clock.now().micros()));
        loop {
            self.take_in(&mut trace).await;
            let changed = trace.take_changed();
            count(trace.tally(), self.log.dropped());
            changed.iter().for_each(tell_people);
            if changed.is_empty() {
                continue;
            }
            let facts = changed.iter().map(|attempt| v1::BootFact::from(attempt).encode_to_vec());
            if let Err(error) = self.log.append(facts.collect()).await {
                counter!("hostler_boot_facts_lost_total").increment(changed.len() as u64);
                tracing::error!(%error, lost = changed.len(), "boots cannot be written down");
            }
        }
    }

    /// Waits for something, and takes in what has come with it. What DHCP saw comes first: it tells whose an address is that fetches something.
    async fn take_in(&mut self, trace: &mut Trace) {
        let (config, clock) = (self.config(), &self.clock);
        let config = config.as_deref();
        tokio::select! {
            biased;
            Some(sighting) = self.sightings.recv() => {
                trace.handle_sighting(&sighting, config, clock.now());
            }
            Some(event) = self.fetches.recv() => handle_fetch(trace, &event, config),
            () = sleep_until(trace, clock) => {
                trace.handle_timeout(config, clock.now());
            }
        }
        for _ in 0..AT_ONCE {
            if let Ok(sighting) = self.sightings.try_recv() {
                trace.handle_sighting(&sighting, config, clock.now());
            } else if let Ok(event) = self.fetches.try_recv() {
                handle_fetch(trace, &event, config);
            } else {
                break;
            }
        }
    }

    fn config(&self) -> Option<Arc<BootConfig>> {
        self.table.borrow().as_ref().map(|table| Arc::clone(&table.config))
    }
}

async fn sleep_until(trace: &Trace, clock: &Clock) {
    let Some(at) = trace.poll_timeout() else { return pending().await };
    let left = at.micros() - clock.now().micros();
    tokio::time::sleep(Duration::from_micros(left.max(1000).unsigned_abs())).await;
}

fn handle_fetch(trace: &mut Trace, event: &BootEvent, config: Option<&BootConfig>) {
    let IpAddr::V4(peer) = event.peer.to_canonical() else { return };
    let step = match event.step {
        Step::Started { .. } => FetchStep::Started,
        Step::Probed => FetchStep::Probed,
        Step::Bytes { sent } => FetchStep::Bytes(sent),
        Step::Done { sent } => FetchStep::Done(sent),
        Step::Failed { sent, failure } => FetchStep::Failed(sent, because(failure)),
    };
    let BootEvent { told, .. } = event;
    let told = Identity { mac: told.mac, uuid: told.uuid, serial: &told.serial };
    let fetch = Fetch { transfer: event.transfer, peer, told, path: &event.path, step };
    trace.handle_fetch(&fetch, config, event.at);
}

/// For people.
fn because(failure: Failure) -> &'static str {
    match failure {
        Failure::NotFound => "the rack has no such file",
        Failure::NotFetched => "the file has not come from region yet",
        Failure::Refused => "what was asked for is not served",
        Failure::Busy => "too many transfers are open",
        Failure::TimedOut => "the machine fell silent in the midst of it",
        Failure::Aborted => "the machine broke it off",
        Failure::Local => "the rack could not read or send it",
    }
}

fn tell_people(attempt: &BootAttempt) {
    let (mac, id) = (attempt.mac, attempt.id);
    match &attempt.outcome {
        BootOutcome::Running => {}
        BootOutcome::Finished => tracing::info!(%mac, boot = %id, "a machine has booted"),
        BootOutcome::Stalled { cause } => {
            tracing::warn!(%mac, boot = %id, cause, "a machine came no further in its boot");
        }
    }
}

fn count(tally: Tally, dropped: u64) {
    for (outcome, count) in [
        ("started", tally.started),
        ("finished", tally.finished),
        ("stalled", tally.stalled),
        ("forgotten", tally.forgotten),
    ] {
        counter!("hostler_boots_total", "outcome" => outcome).absolute(count);
    }
    gauge!("hostler_boot_facts_dropped").set(dropped as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::boot_events::{self, Protocol};
    use common::{MacAddr, VlanId, report::BootStep};
    use engine::boot::{
        BootClient,
        trace::{Answered, Seen},
    };
    use tokio::time::timeout;
    use uuid::Uuid;

    #[tokio::test]
    async fn what_is_seen_and_fetched_becomes_facts() {
        let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
        let log = FactLog::open(folder.path(), 1 << 20).unwrap();
        let (sightings, seen) = channel();
        let (events, fetches) = boot_events::channel(Clock::system());
        let table = watch::Sender::new(None);
        let clock = Clock::system();
        let trace = BootTrace {
            sightings: seen,
            fetches,
            table: table.subscribe(),
            log: log.clone(),
            clock,
        };
        trace.spawn(&tasks);
        let tell = |seen| {
            let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
            sightings.tell(Sighting { vlan: VlanId::new(Uuid::nil()), mac, seen });
        };
        let answer = Answered::Loader("a.efi".into());
        tell(Seen::Asked { client: BootClient::Pxe, code: Some(7), uuid: None, answer });
        tell(Seen::Bound { address: [10, 0, 0, 9].into() });
        let fetch = boot_events::Fetch {
            protocol: Protocol::Tftp,
            peer: "::ffff:10.0.0.9".parse().unwrap(),
            told: boot_events::Told::default(),
            path: "a.efi".into(),
        };
        events.begin(fetch, 5).done(5);
        tell(Seen::System);
        let mut newest = log.newest();
        let last = loop {
            timeout(Duration::from_secs(20), newest.changed()).await.unwrap().unwrap();
            let (number, last) = log.read(0, 100).await.unwrap().pop().unwrap();
            let last = v1::BootFact { number, ..v1::BootFact::decode(&last[..]).unwrap() };
            let last = BootAttempt::try_from(last).unwrap();
            if last.stages.len() == 5 {
                break last;
            }
        };
        let steps: Vec<_> = last.stages.iter().map(|stage| stage.step).collect();
        assert_eq!(steps[..2], [BootStep::Discover, BootStep::Offer]);
        assert!(steps.contains(&BootStep::LoaderDone) && steps.contains(&BootStep::System));
        assert_eq!(last.outcome, BootOutcome::Finished);
        tasks.shutdown().cancel();
    }
}
