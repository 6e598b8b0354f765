//! Does what was decided about scopes: keeps them on the disk, hands them to their service, and says what became of them.

use common::{
    Generation,
    generation::{Digest, Offer},
    rack_config::{ScopeConfig, ScopeName},
    report::{Interface as ReportedInterface, ScopeStatus, Verdict},
};
use runtime::tasks::Tasks;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use crate::{
    attach::{Assignments, Link},
    net::interfaces::Interfaces,
    scope::{Action, Attempt, Plan, Scopes, Serving},
    services::{boot::BootService, dhcp::DhcpService},
    store::{
        StoreError,
        scopes::{Record, ScopeStore},
    },
};

/// What is said of scopes from outside.
#[derive(Debug)]
pub enum Told {
    Offered(Record),
    Withdrawn(ScopeName),
    /// Of a kind that a later version of the rack knows: refused as such.
    Unknown {
        scope: String,
        generation: Generation,
        digest: Digest,
    },
    UnknownWithdrawn(String),
}

/// Few: a sender that is faster than the disk waits, and region with it.
const QUEUE: usize = 16;
/// How soon what the machine refused (a port that is taken, a disk that is full) is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Where and on what scopes are applied.
#[derive(Debug)]
pub struct ApplySettings {
    /// None: scopes come from a file, which is read anew at each start.
    pub store: Option<ScopeStore>,
    pub assignments: Assignments,
    pub interfaces: watch::Receiver<Interfaces>,
    pub dhcp: DhcpService,
    pub boot: BootService,
}

/// A scope's status, and what people call the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedStatus {
    pub name: String,
    pub status: ScopeStatus,
}

/// An interface, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceUse {
    pub interface: ReportedInterface,
    /// What people call the VLAN that it leads into; empty: none.
    pub vlan: String,
    /// Why it leads nowhere; empty when it leads somewhere.
    pub unused: String,
}

/// The task that applies scopes, seen from outside. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Applied {
    told: mpsc::Sender<Told>,
    scopes: watch::Receiver<Arc<[NamedStatus]>>,
    interfaces: watch::Receiver<Arc<[InterfaceUse]>>,
}

impl Applied {
    /// False: the rack is shutting down.
    pub async fn tell(&self, told: Told) -> bool {
        self.told.send(told).await.is_ok()
    }

    /// Every scope with its verdict; one that is being tried for the first time is not among them yet.
    pub fn scopes(&self) -> watch::Receiver<Arc<[NamedStatus]>> {
        self.scopes.clone()
    }

    pub fn interfaces(&self) -> watch::Receiver<Arc<[InterfaceUse]>> {
        self.interfaces.clone()
    }
}

/// Tries what the store has and goes on with what comes.
pub async fn start(settings: ApplySettings, tasks: &Tasks) -> Result<Applied, StoreError> {
    let scopes = load(settings.store.as_ref())?;
    let (told, inbox) = mpsc::channel(QUEUE);
    let (statuses, shown_scopes) = watch::channel(Arc::default());
    let (uses, shown_interfaces) = watch::channel(Arc::default());
    let mut applier = Applier { settings, scopes, unsaved: BTreeMap::new(), statuses, uses };
    // What is kept is served before anybody is told that the rack is up.
    applier.settle(true).await;
    let shutdown = tasks.shutdown();
    tasks.spawn("apply", async move {
        tokio::select! {
            () = applier.run(inbox) => {}
            () = shutdown.cancelled() => {}
        }
    });
    Ok(Applied { told, scopes: shown_scopes, interfaces: shown_interfaces })
}

fn load(store: Option<&ScopeStore>) -> Result<Scopes, StoreError> {
    let Some(store) = store else { return Ok(Scopes::default()) };
    let loaded = store.load()?;
    for damaged in loaded.damaged {
        tracing::error!(error = %damaged, "a kept configuration is not used; region will send it again");
    }
    Ok(Scopes::load(loaded.scopes))
}

struct Applier {
    settings: ApplySettings,
    scopes: Scopes,
    /// Offers that the disk did not take.
    unsaved: BTreeMap<ScopeName, Record>,
    statuses: watch::Sender<Arc<[NamedStatus]>>,
    uses: watch::Sender<Arc<[InterfaceUse]>>,
}

impl Applier {
    async fn run(&mut self, mut inbox: mpsc::Receiver<Told>) {
        let mut again = interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Vec::with_capacity(QUEUE);
        let mut inbox_open = true;
        loop {
            let troubled = self.scopes.refused_by_machine() || !self.unsaved.is_empty();
            let retry = tokio::select! {
                count = inbox.recv_many(&mut told, QUEUE), if inbox_open => {
                    inbox_open = count > 0;
                    false
                }
                changed = self.settings.interfaces.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    false
                }
                _ = again.tick(), if troubled => true,
            };
            for told in told.drain(..) {
                self.hear(told).await;
            }
            if retry {
                for record in std::mem::take(&mut self.unsaved).into_values() {
                    self.take(record).await;
                }
            }
            self.settle(retry).await;
        }
    }

    async fn hear(&mut self, told: Told) {
        match told {
            Told::Offered(record) => self.offer(record).await,
            Told::Withdrawn(scope) => self.withdraw(&scope).await,
            Told::Unknown { scope, generation, digest } => {
                tracing::error!(%scope, %generation, "a scope of a kind that this version does not know was refused");
                self.scopes.reject_unknown(scope, generation, digest);
            }
            Told::UnknownWithdrawn(scope) => self.scopes.forget_unknown(&scope),
        }
    }

    async fn offer(&mut self, record: Record) {
        let (scope, generation) = (record.scope.clone(), record.generation);
        match self.scopes.judge(&record) {
            Offer::Accept => self.take(record).await,
            Offer::Reacknowledge | Offer::Ignore => {
                tracing::debug!(%scope, %generation, "nothing new was offered");
                // Said again even if it is what was said last.
                self.statuses.send_modify(|_| {});
            }
            Offer::Refuse => {
                tracing::error!(%scope, %generation, "a configuration was refused: it is of an earlier epoch, or another of the same number is here");
                let reason = "is of an earlier epoch than this rack has, or the rack has another configuration of the same number";
                self.scopes.reject(&record, reason.into());
            }
        }
    }

    async fn take(&mut self, record: Record) {
        if let Some(store) = self.settings.store.clone() {
            let kept = record.clone();
            if let Err(error) = on_disk(move || store.save_offered(&kept)).await {
                tracing::error!(scope = %record.scope, %error, "a configuration cannot be kept, so it is not applied");
                self.scopes.reject(&record, format!("cannot be kept on the rack's disk: {error}"));
                self.unsaved.insert(record.scope.clone(), record);
                return;
            }
        }
        self.unsaved.remove(&record.scope);
        self.scopes.take(&record);
    }

    async fn withdraw(&mut self, scope: &ScopeName) {
        self.unsaved.remove(scope);
        let serving = self.scopes.withdraw(scope);
        self.stop(scope, serving).await;
        tracing::info!(%scope, "withdrawn");
        if let Some(store) = self.settings.store.clone() {
            let name = scope.clone();
            if let Err(error) = on_disk(move || store.remove(&name)).await {
                tracing::error!(%scope, %error, "a withdrawn configuration cannot be removed from the disk");
            }
        }
    }

    /// Tries whatever is due until nothing is, then says how things are.
    async fn settle(&mut self, again: bool) {
        let interfaces = self.settings.interfaces.borrow_and_update().clone();
        for attempt in self.scopes.due(&interfaces, &self.settings.assignments, again) {
            let (verdict, serving) = self.attempt(&attempt).await;
            log(&attempt, &verdict);
            if self.scopes.conclude(&attempt, verdict, serving) {
                self.promote(&attempt.scope).await;
            }
        }
        self.say(&interfaces);
    }

    /// Tries the newest version. Where it is refused, the last good one serves; where that cannot be served either, nothing does.
    async fn attempt(&self, attempt: &Attempt) -> (Verdict, Option<Serving>) {
        let (scope, serving) = (&attempt.scope, attempt.serving.clone());
        let (verdict, serving) = match &attempt.newest.action {
            Action::Refuse { objections, reason } => {
                let (objections, reason) = (objections.clone(), reason.clone());
                let verdict = Verdict::Refused { objections, reason };
                if attempt.good.is_none() {
                    return (verdict, self.stop(scope, serving).await);
                }
                (verdict, serving)
            }
            Action::StandBy => return (Verdict::Standby, self.stop(scope, serving).await),
            Action::Serve { config, links } => {
                self.serve(attempt.newest.generation, config, links, serving).await
            }
        };
        match (&verdict, &attempt.good) {
            (Verdict::Refused { .. }, Some(good)) => {
                (verdict, self.fall_back(scope, good, serving).await)
            }
            _ => (verdict, serving),
        }
    }

    async fn fall_back(
        &self,
        scope: &ScopeName,
        good: &Plan,
        serving: Option<Serving>,
    ) -> Option<Serving> {
        match &good.action {
            Action::Serve { config, links } => {
                let wanted = Serving { generation: good.generation, links: links.clone() };
                if serving.as_ref() == Some(&wanted) {
                    return serving;
                }
                self.serve(good.generation, config, links, serving).await.1
            }
            Action::StandBy | Action::Refuse { .. } => self.stop(scope, serving).await,
        }
    }

    /// A refusal leaves what is served as it is.
    async fn serve(
        &self,
        generation: Generation,
        config: &ScopeConfig,
        links: &[Link],
        serving: Option<Serving>,
    ) -> (Verdict, Option<Serving>) {
        let addresses = links.iter().map(|link| link.addresses.clone()).collect();
        let verdict = match config {
            ScopeConfig::Dhcp(vlan) => {
                let dhcp = &self.settings.dhcp;
                if serving.as_ref().is_some_and(|serving| made_anew(&serving.links, links)) {
                    dhcp.withdraw(vlan.vlan).await;
                }
                dhcp.apply(vlan.clone(), addresses).await
            }
            ScopeConfig::Boot(config) => self.settings.boot.apply(config.clone(), addresses).await,
        };
        match verdict {
            Verdict::Applied => {
                (Verdict::Applied, Some(Serving { generation, links: links.to_vec() }))
            }
            verdict @ (Verdict::Standby | Verdict::Refused { .. }) => (verdict, serving),
        }
    }

    async fn stop(&self, scope: &ScopeName, serving: Option<Serving>) -> Option<Serving> {
        match scope {
            _ if serving.is_none() => {}
            ScopeName::Dhcp(vlan) => self.settings.dhcp.withdraw(*vlan).await,
            ScopeName::Boot => self.settings.boot.withdraw().await,
        }
        None
    }

    async fn promote(&self, scope: &ScopeName) {
        let Some(store) = self.settings.store.clone() else { return };
        let name = scope.clone();
        if let Err(error) = on_disk(move || store.promote(&name)).await {
            tracing::error!(%scope, %error, "a configuration was applied and is not yet kept as good");
        }
    }

    fn say(&self, interfaces: &Interfaces) {
        let statuses = self.scopes.statuses().into_iter();
        let named = statuses.map(|(name, status)| NamedStatus { name, status });
        let statuses: Arc<[NamedStatus]> = named.collect();
        count(&statuses);
        self.statuses.send_if_modified(|known| {
            let changed = **known != *statuses;
            *known = statuses;
            changed
        });
        let attachment = self.scopes.attachment(interfaces, &self.settings.assignments);
        let uses = attachment.interfaces().map(|(interface, lead)| InterfaceUse {
            interface: ReportedInterface {
                name: interface.name.clone(),
                mac: interface.mac,
                up: interface.up,
                addresses: interface.addresses.clone(),
                vlan: lead.as_ref().ok().copied(),
            },
            vlan: lead.as_ref().map(|vlan| self.scopes.name(*vlan)).unwrap_or_default(),
            unused: lead.as_ref().err().cloned().unwrap_or_default(),
        });
        let uses: Arc<[InterfaceUse]> = uses.collect();
        self.uses.send_if_modified(|known| {
            let changed = **known != *uses;
            *known = uses;
            changed
        });
    }
}

/// An interface of the same name that is another one.
fn made_anew(before: &[Link], now: &[Link]) -> bool {
    before.iter().any(|old| {
        let same = now.iter().find(|new| new.addresses.interface == old.addresses.interface);
        same.is_some_and(|new| new.index != old.index)
    })
}

/// Says each verdict once, however often it is tried again.
fn log(attempt: &Attempt, verdict: &Verdict) {
    if attempt.verdict.as_ref() == Some(verdict) {
        return;
    }
    let (scope, generation) = (&attempt.scope, attempt.newest.generation);
    match verdict {
        Verdict::Applied => tracing::info!(%scope, %generation, "applied"),
        Verdict::Standby => tracing::info!(%scope, %generation, "checked; another rack serves it"),
        Verdict::Refused { objections, reason } => {
            let objections: Vec<_> = objections.iter().map(ToString::to_string).collect();
            let why = if reason.is_empty() { objections.join("; ") } else { reason.clone() };
            tracing::error!(%scope, %generation, error = %why, "refused; the last good configuration goes on");
        }
    }
}

fn count(statuses: &[NamedStatus]) {
    let (mut applied, mut standby, mut refused) = (0_u32, 0_u32, 0_u32);
    for named in statuses {
        match named.status.verdict {
            Verdict::Applied => applied += 1,
            Verdict::Standby => standby += 1,
            Verdict::Refused { .. } => refused += 1,
        }
    }
    for (verdict, count) in [("applied", applied), ("standby", standby), ("refused", refused)] {
        metrics::gauge!("hostler_rack_scopes", "verdict" => verdict).set(count);
    }
}

/// Runs a blocking piece of work with files off the tasks' threads.
async fn on_disk(
    work: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}
