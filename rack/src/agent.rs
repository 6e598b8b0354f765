//! A running rack, with a region or without: the same parts, and only the source of its scopes differs.

use common::Timestamp;
use runtime::{clock::Clock, metrics, tasks::Tasks};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    apply::{self, Applied, ApplySettings, Told},
    config::{FileError, RackConfig},
    link::{Counts, Link, LinkStatus, Outbox},
    net::interfaces,
    services::{
        Statuses,
        boot::{BootService, BootSettings},
        boot_files::Origin,
        boot_trace::{self, BootTrace},
        dhcp::{self, DhcpService, DhcpSettings},
    },
    status::{self, Sources},
    store::{
        StateDirectory, StoreError,
        boot_files::BootFileStore,
        facts::FactLog,
        identity::{Credentials, IdentityStore, Membership},
        leases::{LeaseOutbox, OutboxError, Outgoing},
        marks::Marks,
        scopes::{Record, ScopeStore},
    },
};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("DHCP cannot be started")]
    Dhcp(#[from] dhcp::StartError),
    #[error("machines cannot be served what they boot")]
    Boot(#[source] io::Error),
    #[error("the lease log cannot be read")]
    Outbox(#[from] OutboxError),
    #[error("the network interfaces cannot be listed")]
    Interfaces(#[source] io::Error),
    #[error("metrics cannot be kept")]
    Recorder(#[from] metrics::BuildError),
    #[error("{}: the status socket cannot be opened", path.display())]
    Status { path: PathBuf, source: io::Error },
    #[error("{address}: metrics cannot be served there")]
    Metrics { address: std::net::SocketAddr, source: io::Error },
}

/// The parts of a rack that serve; they end with their tasks.
pub struct Agent {
    /// Held while the rack runs.
    pub directory: StateDirectory,
    incarnation: watch::Sender<Uuid>,
    pub dhcp: DhcpService,
    pub boot: BootService,
    pub outbox: LeaseOutbox,
    boots: FactLog,
    pub applied: Applied,
    pub services: Statuses,
    metrics: metrics::PrometheusHandle,
    /// A time that has certainly passed.
    ledger: Timestamp,
    clock: Clock,
    tasks: Tasks,
}

/// Where scopes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Region,
    File,
}

impl Agent {
    /// Serves what was kept, before anything is heard from outside.
    pub async fn start(
        config: &RackConfig,
        source: Source,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Self, StartError> {
        // First: who counts before there is a recorder counts for nobody.
        let metrics = metrics::install()?;
        let directory = StateDirectory::open(&config.state_directory)?;
        let incarnation = watch::Sender::new(Marks::new(directory.path()).incarnation()?);
        let with_region = source == Source::Region;
        let (sightings, seen) = boot_trace::channel();
        let settings = DhcpSettings {
            directory: directory.path().join("leases"),
            segment_bytes: config.leases.segment.bytes(),
            outbox_bytes: with_region.then(|| config.leases.outbox.bytes()),
            clock: clock.clone(),
            sightings,
        };
        let (dhcp, outbox) = DhcpService::start(settings, tasks)?;
        let ledger = ledger(&outbox).await?;
        let boot = start_boot(config, directory.path(), clock, tasks)?;
        let store = with_region.then(|| ScopeStore::open(directory.path())).transpose()?;
        let settings = ApplySettings {
            store,
            assignments: config.interfaces.clone(),
            interfaces: interfaces::watch(tasks).map_err(StartError::Interfaces)?,
            dhcp: dhcp.clone(),
            boot: boot.clone(),
        };
        dhcp.follow_boot(boot.table(), config.boot.http_port.get(), tasks);
        let boots = FactLog::open(&directory.path().join("boots"), boots_bytes(source))?;
        let trace = BootTrace {
            sightings: seen,
            fetches: boot.take_events().expect("nobody else follows boots"),
            table: boot.table(),
            log: boots.clone(),
            clock: clock.clone(),
        };
        trace.spawn(tasks);
        let applied = apply::start(settings, tasks).await?;
        let services = Statuses::new(&dhcp, &boot);
        let (clock, tasks) = (clock.clone(), tasks.clone());
        Ok(Self {
            directory,
            incarnation,
            dhcp,
            boot,
            outbox,
            boots,
            applied,
            services,
            metrics,
            ledger,
            clock,
            tasks,
        })
    }

    /// Hands over what a file says.
    pub async fn serve(&self, scopes: Vec<Record>) {
        for scope in scopes {
            self.applied.tell(Told::Offered(scope)).await;
        }
    }

    /// Keeps up the stream to region; what it says of itself.
    pub fn link(
        &self,
        config: &RackConfig,
        membership: Membership,
        credentials: Credentials,
    ) -> Result<watch::Receiver<LinkStatus>, StoreError> {
        let status = Link::first_status(&membership, &credentials, self.clock.now());
        let (status, shown) = watch::channel(status);
        // A machine that was switched on without its time must not think its certificate young, or not valid yet.
        let validity = Clock::system();
        validity.set(self.ledger.max(credentials.received()));
        let given: Vec<String> = config.region.iter().map(ToString::to_string).collect();
        let addresses = if given.is_empty() { membership.addresses.clone() } else { given };
        let outboxes = vec![Outbox::Leases(self.outbox.clone()), Outbox::Boots(self.boots.clone())];
        let link = Link {
            membership,
            credentials: watch::Sender::new(credentials),
            identity: IdentityStore::open(self.directory.path())?,
            addresses,
            marks: Marks::new(self.directory.path()),
            incarnation: self.incarnation.clone(),
            applied: self.applied.clone(),
            services: self.services.clone(),
            dhcp: self.dhcp.clone(),
            counts: Counts::new(self.dhcp.offers(), &outboxes),
            outboxes,
            clock: self.clock.clone(),
            validity,
            status,
        };
        self.boot.fetch_from(Origin {
            addresses: link.addresses.clone(),
            trust: link.trust(),
            credentials: link.credentials.subscribe(),
            validity: link.validity.clone(),
        });
        link.spawn(&self.tasks);
        Ok(shown)
    }

    /// Opens the two ways in which the rack is looked at.
    pub async fn show(
        &self,
        config: &RackConfig,
        link: Option<watch::Receiver<LinkStatus>>,
    ) -> Result<(), StartError> {
        let sources = Sources {
            incarnation: self.incarnation.subscribe(),
            clock: self.clock.clone(),
            applied: self.applied.clone(),
            services: self.services.clone(),
            newest_fact: self.outbox.newest(),
            link,
        };
        let path = config.status_socket.clone();
        status::serve(&path, sources, &self.tasks)
            .map_err(|source| StartError::Status { path, source })?;
        let address = config.metrics;
        let failed = |source| StartError::Metrics { address, source };
        metrics::serve(address, self.metrics.clone(), &self.tasks).await.map_err(failed)?;
        Ok(())
    }
}

fn start_boot(
    config: &RackConfig,
    state: &Path,
    clock: &Clock,
    tasks: &Tasks,
) -> Result<BootService, StartError> {
    let own = &config.boot;
    let folder = own.cache.clone().unwrap_or_else(|| state.join("boot-files"));
    let settings = BootSettings {
        tftp: own.tftp,
        http_port: own.http_port.get(),
        store: BootFileStore::open(&folder, own.cache_limit.bytes())?,
        sources: own.sources.clone(),
        clock: clock.clone(),
    };
    BootService::start(settings, tasks).map_err(StartError::Boot)
}

/// A time that has certainly passed: of the newest lease on the disk.
async fn ledger(outbox: &LeaseOutbox) -> Result<Timestamp, OutboxError> {
    let newest = *outbox.newest().borrow();
    if newest > 0
        && let Outgoing::Facts { facts, .. } = outbox.read(newest - 1, 1).await?
        && let Some(last) = facts.last()
    {
        return Ok(last.started);
    }
    Ok(Timestamp::default())
}

/// Without a region nobody asks for boots of long ago.
fn boots_bytes(source: Source) -> u64 {
    match source {
        Source::Region => FactLog::DEFAULT_BYTES,
        Source::File => FactLog::DEFAULT_BYTES / 64,
    }
}
