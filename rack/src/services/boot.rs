//! What machines boot, as it was applied last: whoever serves a part of it follows. TFTP and HTTP listen where VLANs are served, and nowhere else.

mod status;

use common::{
    generation::Digest,
    rack_config::BootConfig,
    report::{ServiceStatus, Verdict},
};
use runtime::{clock::Clock, tasks::Tasks};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{mpsc, watch};

use super::{
    boot_events::{self, BootEvent},
    boot_files::{Keeper, KeeperSettings, Origin},
    dhcp::LinkAddresses,
    http_boot::{self, HttpBootService},
    tftp::{self, TftpService},
};
use crate::store::boot_files::BootFileStore;
use status::Listening;

/// What is to be served, and at which addresses of the rack.
#[derive(Clone, Debug)]
pub struct BootTable {
    pub config: Arc<BootConfig>,
    pub links: Vec<LinkAddresses>,
}

pub struct BootSettings {
    pub tftp: bool,
    pub http_port: u16,
    pub store: BootFileStore,
    /// Where on this machine files are that no region has.
    pub sources: BTreeMap<Digest, PathBuf>,
    pub clock: Clock,
}

/// A clone is the same one.
#[derive(Clone)]
pub struct BootService(Arc<Shared>);

struct Shared {
    applied: watch::Sender<Option<BootTable>>,
    origin: watch::Sender<Option<Origin>>,
    /// None: switched off.
    tftp: Option<TftpService>,
    http: HttpBootService,
    http_port: u16,
    tftp_listening: watch::Sender<Listening>,
    http_listening: watch::Sender<Listening>,
    events: Mutex<Option<mpsc::Receiver<BootEvent>>>,
    statuses: [watch::Receiver<ServiceStatus>; 2],
}

impl BootService {
    /// Starts the servers, which end with `tasks`. Nothing is served yet.
    pub fn start(settings: BootSettings, tasks: &Tasks) -> io::Result<Self> {
        let BootSettings { tftp, http_port, store, sources, clock } = settings;
        let (applied, followed) = watch::channel(None);
        let (origin, from) = watch::channel(None);
        let (events, told) = boot_events::channel(clock);
        let settings = KeeperSettings { store, sources, port: http_port };
        let (table, progress) = Keeper::start(settings, followed, from, tasks);
        let http = HttpBootService::new(table.clone(), events.clone(), tasks);
        let tftp = tftp.then(|| TftpService::start(table, events, tasks)).transpose()?;
        let tftp_listening = watch::Sender::new(Listening::default());
        let http_listening = watch::Sender::new(Listening::default());
        let reporter = status::Reporter {
            progress,
            tftp: tftp.clone(),
            http: http.clone(),
            tftp_listening: tftp_listening.subscribe(),
            http_listening: http_listening.subscribe(),
        };
        let statuses = reporter.start(tasks);
        Ok(Self(Arc::new(Shared {
            applied,
            origin,
            tftp,
            http,
            http_port,
            tftp_listening,
            http_listening,
            events: Mutex::new(Some(told)),
            statuses,
        })))
    }

    /// Serves it at the addresses of these interfaces, or says why it does not; then what was served before goes on.
    pub async fn apply(&self, config: BootConfig, links: Vec<LinkAddresses>) -> Verdict {
        let addresses: BTreeSet<IpAddr> = links
            .iter()
            .flat_map(|link| &link.addresses)
            .map(|own| IpAddr::V4(own.addr()))
            .collect();
        if let Err(reason) = self.listen(&addresses).await {
            return Verdict::Refused { objections: Vec::new(), reason };
        }
        self.0.applied.send_replace(Some(BootTable { config: Arc::new(config), links }));
        Verdict::Applied
    }

    pub async fn withdraw(&self) {
        if let Err(error) = self.listen(&BTreeSet::new()).await {
            tracing::error!(%error, "machines that boot are still listened to");
        }
        self.0.applied.send_replace(None);
    }

    /// None: nothing is to be served.
    pub fn table(&self) -> watch::Receiver<Option<BootTable>> {
        self.0.applied.subscribe()
    }

    /// From now on files come from there.
    pub fn fetch_from(&self, origin: Origin) {
        self.0.origin.send_replace(Some(origin));
    }

    /// What machines fetch; for the one who follows boots, and asks first.
    pub fn take_events(&self) -> Option<mpsc::Receiver<BootEvent>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub fn statuses(&self) -> [watch::Receiver<ServiceStatus>; 2] {
        self.0.statuses.clone()
    }

    /// Both servers, or the first reason why not.
    async fn listen(&self, addresses: &BTreeSet<IpAddr>) -> Result<(), String> {
        let own = &*self.0;
        let at = http_boot::at(addresses.iter().copied(), own.http_port);
        let http = own.http.listen(&at).await.map_err(|error| error.to_string());
        own.http_listening.send_modify(|shown| shown.set(at, http.clone().err()));
        let at = tftp::at(addresses.iter().copied());
        let tftp = match &own.tftp {
            Some(tftp) => tftp.listen(at.clone()).await.map_err(|error| error.to_string()),
            None => Ok(()),
        };
        own.tftp_listening.send_modify(|shown| shown.set(at, tftp.clone().err()));
        http.and(tftp)
    }
}

impl fmt::Debug for BootService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootService").field("applied", &*self.0.applied.borrow()).finish()
    }
}
