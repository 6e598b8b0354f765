//! One attempt, from stage to stage.

use std::net::Ipv4Addr;

use common::{
    MacAddr, Timestamp, VlanId,
    rack_config::BootConfig,
    report::{BootAttempt, BootOutcome, BootStage, BootStep},
};
use uuid::Uuid;

use super::{
    Answered, Fetch, FetchStep, Seen,
    files::{self, File},
    stall,
};
use crate::boot::BootClient;

/// What one event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// More of what was going on.
    Bytes,
    Stage,
}

#[derive(Debug)]
pub(super) struct Attempt {
    known: BootAttempt,
    /// What began it.
    client: BootClient,
    /// What its firmware was told to fetch.
    pub(super) loader: Option<Box<str>>,
    /// Why it was told of none.
    pub(super) refusal: Option<Answered>,
    /// What it has, once it took it.
    pub(super) address: Option<Ipv4Addr>,
    /// Why the last transfer failed.
    pub(super) failure: Option<String>,
    last: Timestamp,
    told: Timestamp,
}

/// As many as region takes.
const STAGES: usize = 64;
const LONGEST_DETAIL: usize = 256;
const LONGEST_SERIAL: usize = 128;
/// Between two words on how much of a file was sent.
const BYTES_EVERY: i64 = 5_000_000;
/// A firmware that asks again within this is still asking the same.
const STILL: i64 = 60_000_000;

impl Attempt {
    pub(super) fn new(
        id: Uuid,
        (vlan, mac): (VlanId, MacAddr),
        client: BootClient,
        now: Timestamp,
    ) -> Self {
        let known = BootAttempt {
            number: 0,
            id,
            vlan,
            mac,
            machine: None,
            architecture: None,
            uuid: None,
            serial: String::new(),
            stages: Vec::new(),
            outcome: BootOutcome::Running,
        };
        let (loader, refusal, address, failure) = (None, None, None, None);
        Self { known, client, loader, refusal, address, failure, last: now, told: now }
    }

    pub(super) fn known(&self) -> &BootAttempt {
        &self.known
    }

    pub(super) fn outcome(&self) -> &BootOutcome {
        &self.known.outcome
    }

    pub(super) fn is_running(&self) -> bool {
        self.known.outcome == BootOutcome::Running
    }

    /// When it was last heard of.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    pub(super) fn step(&self) -> Option<BootStep> {
        self.known.stages.last().map(|stage| stage.step)
    }

    /// Whether a machine that asks once more is in the midst of this attempt; else it was switched on again.
    pub(super) fn goes_on_with(&self, client: BootClient, now: Timestamp) -> bool {
        let step = self.step().unwrap_or(BootStep::Discover);
        let is_still_asking = now < self.last.shifted(STILL);
        match (self.outcome(), client, self.client) {
            (BootOutcome::Finished, ..) => false,
            // iPXE that came as a loader; a script may make it ask again at any time
            (_, BootClient::Ipxe, BootClient::Pxe | BootClient::Http | BootClient::Onie) => true,
            // iPXE that is the firmware
            (_, BootClient::Ipxe, BootClient::Ipxe) => is_still_asking && step < BootStep::Kernel,
            (_, asks, began) => asks == began && is_still_asking && step <= BootStep::Offer,
        }
    }

    pub(super) fn see(
        &mut self,
        seen: &Seen,
        config: Option<&BootConfig>,
        now: Timestamp,
    ) -> Change {
        self.last = now;
        match seen {
            Seen::Asked { client, code, uuid, answer } => {
                self.known.architecture = self.known.architecture.or(*code);
                self.identify(None, *uuid, "", config);
                let change = self.reach(BootStep::Discover, client.name(), 0, now);
                change.max(self.answered(*client, answer, now))
            }
            Seen::Bound { .. } => Change::Nothing,
            Seen::System => {
                self.known.outcome = BootOutcome::Finished;
                self.reach(BootStep::System, "", 0, now)
            }
        }
    }

    fn answered(&mut self, client: BootClient, answer: &Answered, now: Timestamp) -> Change {
        let Answered::Loader(file) = answer else {
            self.refusal = Some(answer.clone());
            return Change::Nothing;
        };
        self.refusal = None;
        if client != BootClient::Ipxe || !file.contains("/script?") {
            self.loader = Some(file.clone());
        }
        if client == BootClient::Ipxe && self.client != BootClient::Ipxe {
            // the loader that was fetched asks in its turn: no news
            return Change::Nothing;
        }
        self.reach(BootStep::Offer, file, 0, now)
    }

    pub(super) fn fetch(
        &mut self,
        fetch: &Fetch<'_>,
        config: Option<&BootConfig>,
        now: Timestamp,
    ) -> Change {
        self.last = now;
        self.identify(fetch.told.mac, fetch.told.uuid, fetch.told.serial, config);
        let file = files::classify(self, fetch.path, config);
        let step = match file {
            File::Loader => BootStep::LoaderRequested,
            File::Script => BootStep::Script,
            File::Kernel => BootStep::Kernel,
            File::Initrd => BootStep::Initrd,
            File::Other => return Change::Nothing,
        };
        match fetch.step {
            FetchStep::Probed => Change::Nothing,
            // what a loader looks for beside its files may well be missing
            FetchStep::Failed(0, _) if self.is_optional(file, fetch.path) => Change::Nothing,
            FetchStep::Failed(bytes, why) => {
                self.failure = Some(format!("{}: {why}", fetch.path));
                self.reach(step, fetch.path, bytes, now)
            }
            // a script is what it says, and not that it was asked for
            FetchStep::Started if file == File::Script => Change::Nothing,
            FetchStep::Started => self.reach(step, fetch.path, 0, now),
            FetchStep::Bytes(bytes) => self.reach(step, fetch.path, bytes, now),
            FetchStep::Done(bytes) => {
                self.failure = None;
                match file {
                    File::Loader => self.reach(BootStep::LoaderDone, fetch.path, bytes, now),
                    File::Script => self.told_script(fetch.path, bytes, config, now),
                    File::Kernel | File::Initrd | File::Other => {
                        self.reach(step, fetch.path, bytes, now)
                    }
                }
            }
        }
    }

    fn is_optional(&self, file: File, path: &str) -> bool {
        file == File::Loader && self.loader.as_deref().is_none_or(|told| !told.ends_with(path))
    }

    fn told_script(
        &mut self,
        path: &str,
        bytes: u64,
        config: Option<&BootConfig>,
        now: Timestamp,
    ) -> Change {
        let change = self.reach(BootStep::Script, path, bytes, now);
        if files::is_local_disk(self, config) {
            self.known.outcome = BootOutcome::Finished;
            return Change::Stage;
        }
        change
    }

    /// Goes on to a stage, or notes how much more of it is done.
    fn reach(&mut self, step: BootStep, detail: &str, bytes: u64, now: Timestamp) -> Change {
        let detail: String =
            detail.chars().filter(|c| !c.is_control()).take(LONGEST_DETAIL).collect();
        let was_stalled = matches!(self.known.outcome, BootOutcome::Stalled { .. });
        if was_stalled {
            self.known.outcome = BootOutcome::Running;
        }
        let stages = &mut self.known.stages;
        let known = stages.iter_mut().find(|stage| {
            stage.step == step && (stage.detail == detail || step == BootStep::Discover)
        });
        if let Some(known) = known {
            let is_more = bytes > known.bytes;
            known.bytes = known.bytes.max(bytes);
            return match (was_stalled, is_more) {
                (true, _) => Change::Stage,
                (false, true) => Change::Bytes,
                (false, false) => Change::Nothing,
            };
        }
        if stages.len() < STAGES {
            stages.push(BootStage { step, at: now, detail, bytes });
        }
        Change::Stage
    }

    /// What it says of itself counts as long as nothing better is known.
    fn identify(
        &mut self,
        mac: Option<MacAddr>,
        uuid: Option<Uuid>,
        serial: &str,
        config: Option<&BootConfig>,
    ) {
        self.known.uuid = uuid.or(self.known.uuid);
        if !serial.is_empty() && mac.is_none_or(|mac| mac == self.known.mac) {
            let plain = serial.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
            self.known.serial = plain.take(LONGEST_SERIAL).collect();
        }
        self.known.machine = files::machine(self, config).map(|machine| machine.id);
    }

    /// None: it has come to its end.
    pub(super) fn stalls_at(&self) -> Option<Timestamp> {
        self.is_running().then(|| self.last.shifted(stall::limit(self.step())))
    }

    pub(super) fn stall(&mut self, config: Option<&BootConfig>) -> Change {
        self.known.outcome = BootOutcome::Stalled { cause: stall::cause(self, config) };
        Change::Stage
    }

    /// Its machine was switched on again, or its firmware gave up and tries the next way to boot.
    pub(super) fn begin_anew(&mut self, config: Option<&BootConfig>) -> Change {
        if !self.is_running() {
            return Change::Nothing;
        }
        let cause = format!("the machine began anew: {}", stall::cause(self, config));
        self.known.outcome = BootOutcome::Stalled { cause };
        Change::Stage
    }

    /// Whether a change is worth telling now.
    pub(super) fn is_told(&self, change: Change, now: Timestamp) -> bool {
        match change {
            Change::Nothing => false,
            Change::Bytes => now >= self.told.shifted(BYTES_EVERY),
            Change::Stage => true,
        }
    }

    pub(super) fn tell(&mut self) -> BootAttempt {
        self.told = self.last;
        self.known.clone()
    }
}

impl Change {
    fn max(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stage, _) | (_, Self::Stage) => Self::Stage,
            (Self::Bytes, _) | (_, Self::Bytes) => Self::Bytes,
            (Self::Nothing, Self::Nothing) => Self::Nothing,
        }
    }
}
