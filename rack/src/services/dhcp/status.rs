//! How the service is, for people and for metrics.

use common::report::{ServiceState, ServiceStatus};
use engine::dhcp::Answer;
use runtime::tasks::Tasks;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, watch},
    time::{MissedTickBehavior, interval},
};

use super::{
    Served,
    meter::{Decided, Meter},
};
use crate::store::leases::{Damage, LeaseOutbox, LogMonitor};

/// How old what is shown may be.
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Reporter {
    pub(super) served: Arc<Mutex<Served>>,
    pub(super) meter: Arc<Meter>,
    pub(super) monitor: LogMonitor,
    pub(super) outbox: LeaseOutbox,
    /// How many were made, for whoever tells region.
    pub(super) offers: watch::Sender<u64>,
    /// What could not be read back at the start.
    pub(super) damage: Vec<Damage>,
}

impl Reporter {
    /// Looks every second, until shutdown.
    pub(super) fn start(self, tasks: &Tasks) -> watch::Receiver<ServiceStatus> {
        let first = describe(0, &Decided::default(), Vec::new());
        let (sender, status) = watch::channel(first);
        let shutdown = tasks.shutdown();
        tasks.spawn("dhcp status", async move {
            let mut turn = interval(EVERY);
            turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = turn.tick() => {}
                    () = shutdown.cancelled() => return,
                }
                let status = self.look().await;
                sender.send_if_modified(|shown| {
                    let is_new = *shown != status;
                    *shown = status;
                    is_new
                });
            }
        });
        status
    }

    async fn look(&self) -> ServiceStatus {
        let served = self.served.lock().await;
        self.meter.publish(&served.names, &self.outbox);
        let decided = self.meter.decided().clone();
        let offers = decided.counters.answered(Answer::Offer);
        self.offers.send_if_modified(|told| std::mem::replace(told, offers) != offers);
        describe(served.names.len(), &decided, self.troubles())
    }

    fn troubles(&self) -> Vec<String> {
        let full = self.monitor.health().full_since;
        let full = full.map(|since| {
            format!("disk full since {since}: leases are not acknowledged once the log has no room")
        });
        let damage = self.damage.iter().map(ToString::to_string);
        full.into_iter().chain(damage).collect()
    }
}

fn describe(vlans: usize, decided: &Decided, troubles: Vec<String>) -> ServiceStatus {
    let state = match (troubles.is_empty(), vlans) {
        (false, _) => ServiceState::Degraded,
        (true, 0) => ServiceState::Idle,
        (true, _) => ServiceState::Running,
    };
    let bound: u64 = decided.utilisation.iter().map(|(_, used)| u64::from(used.bound)).sum();
    let shed = decided.shed.discovers + decided.shed.others + decided.received.overflows;
    let serves = match vlans {
        0 => "serves no VLAN".to_owned(),
        1 => format!("serves 1 VLAN, {bound} leases"),
        more => format!("serves {more} VLANs, {bound} leases"),
    };
    let overload = (shed > 0).then(|| format!("{shed} packets passed over under overload"));
    let parts = troubles.into_iter().chain([serves]).chain(overload);
    ServiceStatus { name: "dhcp".into(), state, detail: parts.collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_first() {
        let decided = Decided::default();
        for (vlans, troubles, state, detail) in [
            (0, vec![], ServiceState::Idle, "serves no VLAN"),
            (2, vec![], ServiceState::Running, "serves 2 VLANs, 0 leases"),
            (1, vec!["disk full"], ServiceState::Degraded, "disk full; serves 1 VLAN, 0 leases"),
        ] {
            let troubles = troubles.into_iter().map(str::to_owned).collect();
            let status = describe(vlans, &decided, troubles);
            assert_eq!((status.state, status.detail.as_str()), (state, detail));
        }
    }
}
