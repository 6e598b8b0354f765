//! DHCP for the VLANs of a rack: the threads around the engine, and the handle by which the rest of the rack speaks with them.
//!
//! Two threads carry the packets. One receives and decides; OFFERs, NAKs and what answers an INFORM leave it at once, for they promise nothing. What
//! it has decided to lease goes through a slot to the other, which writes and syncs it with whatever has gathered meanwhile, and then sends the ACKs.
//! A third makes segments and snapshots of the lease log beside them.

mod committing;
mod deciding;
mod loaders;
mod meter;
mod ports;
mod shed;
mod slot;
mod status;
#[cfg(test)]
mod tests;
mod threads;

use common::{
    VlanId,
    rack_config::{DhcpVlan, Role},
    report::{ServiceStatus, Verdict},
};
use engine::{
    boot::CompiledBoot,
    dhcp::{CompiledVlan, Servers},
};
use ipnet::Ipv4Net;
use runtime::{clock::Clock, tasks::Tasks};
use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    io,
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::spawn_blocking,
};

use super::boot_trace::Sightings;
use crate::{
    net::{
        dhcp_socket::{BOOT_SERVER_PORT, SERVER_PORT},
        wake::Wake,
    },
    store::leases::{LeaseLog, LeaseOutbox, LogSettings},
};
use deciding::Command;
use ports::Ports;

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
    /// Where machines that boot are told of.
    pub sightings: Sightings,
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
    Log { directory: PathBuf, source: io::Error },
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
}

/// The DHCP of this rack; a clone is the same service.
#[derive(Clone)]
pub struct DhcpService {
    commands: Commands,
    served: Arc<Mutex<Served>>,
    status: watch::Receiver<ServiceStatus>,
    offers: watch::Receiver<u64>,
}

/// What is served now.
#[derive(Default)]
struct Served {
    ports: Arc<Ports>,
    /// VLANs by what people call them.
    names: BTreeMap<VlanId, String>,
}

/// What the deciding thread has around it.
struct Around {
    clock: Clock,
    wake: Arc<Wake>,
    sightings: Sightings,
}

/// The way to the deciding thread.
#[derive(Clone)]
struct Commands {
    sender: mpsc::Sender<Command>,
    wake: Arc<Wake>,
}

/// Commands come from people and from region, a few at a time, and each waits for its answer.
const COMMANDS: usize = 16;

impl DhcpService {
    /// Reads the lease log back and starts the threads, which end with `tasks`. No VLAN is served yet.
    pub fn start(settings: DhcpSettings, tasks: &Tasks) -> Result<(Self, LeaseOutbox), StartError> {
        let DhcpSettings { directory, segment_bytes, outbox_bytes, clock, sightings } = settings;
        let wake = Arc::new(Wake::new().map_err(StartError::Thread)?);
        let seed = RandomState::new().hash_one(std::process::id());
        let mut servers = Servers::new(seed);
        let log_settings = LogSettings {
            directory: directory.clone(),
            segment_bytes,
            owed_bytes: outbox_bytes,
            seed,
            wake: {
                let wake = Arc::clone(&wake);
                Box::new(move || wake.wake())
            },
        };
        let mut unknown = 0_u64;
        let log = LeaseLog::open(log_settings, &clock, |frame| {
            for record in frame.records() {
                match record {
                    Ok(record) => servers.load(&record),
                    Err(_) => unknown += 1,
                }
            }
        })
        .map_err(|source| StartError::Log { directory, source })?;
        servers.resume_after(log.newest);
        for damage in &log.damage {
            tracing::error!(%damage, "leases are lost from the lease log");
        }
        if unknown > 0 {
            tracing::error!(
                unknown,
                "the lease log has records of another version; they are passed over"
            );
        }
        let around = Around { clock, wake, sightings };
        threads::start(log, servers, around, tasks).map_err(StartError::Thread)
    }

    /// Serves the VLAN by this configuration on these interfaces, or says why it does not; then what was served before goes on.
    pub async fn apply(&self, vlan: DhcpVlan, links: Vec<LinkAddresses>) -> Verdict {
        let mut served = self.served.lock().await;
        let (id, name, role) = (vlan.vlan, vlan.name.clone(), vlan.role);
        let links = if role == Role::Primary { links } else { Vec::new() };
        let old = Arc::clone(&served.ports);
        let prepared = spawn_blocking(move || prepare(&vlan, &links, &old)).await;
        let (compiled, ports) = match prepared {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(refused)) => return refused,
            // Only a shutdown breaks off what blocks.
            Err(_) => return refused(SHUTTING_DOWN.into()),
        };
        if role == Role::Secondary {
            drop(served);
            self.withdraw(id).await;
            return Verdict::Standby;
        }
        let command =
            |done| Command::Apply { vlan: Box::new(compiled), ports: Arc::clone(&ports), done };
        match self.commands.ask(command).await {
            Some(Ok(_retired)) => {
                served.ports = ports;
                served.names.insert(id, name);
                Verdict::Applied
            }
            Some(Err(error)) => refused(error.to_string()),
            None => refused(SHUTTING_DOWN.into()),
        }
    }

    /// Tells machines that boot of these loaders from now on; of none, if there are none.
    async fn apply_boot(&self, boot: Option<CompiledBoot>) {
        let boot = boot.map(Box::new);
        // What is replaced is dropped here, where nobody waits.
        drop(self.commands.ask(|done| Command::ApplyBoot { boot, done }).await);
    }

    /// Stops to serve the VLAN; its leases are kept.
    pub async fn withdraw(&self, vlan: VlanId) {
        let mut served = self.served.lock().await;
        if served.names.remove(&vlan).is_none() {
            return;
        }
        let ports = Arc::new(served.ports.without(vlan));
        served.ports = Arc::clone(&ports);
        if let Some(Err(error)) =
            self.commands.ask(|done| Command::Withdraw { vlan, ports, done }).await
        {
            tracing::error!(%vlan, %error, "the VLAN is still heard");
        }
    }

    /// Ends a lease as if its client had released it; done when that is on the disk.
    pub async fn release(&self, vlan: VlanId, address: Ipv4Addr) -> Result<(), String> {
        let asked = self.commands.ask(|done| Command::Release { vlan, address, done }).await;
        let released = asked.ok_or(SHUTTING_DOWN)?;
        released.map_err(|error| format!("{address}: {error}"))
    }

    pub fn status(&self) -> watch::Receiver<ServiceStatus> {
        self.status.clone()
    }

    /// How many DHCPOFFERs of an address it has made; up to a second old.
    pub fn offers(&self) -> watch::Receiver<u64> {
        self.offers.clone()
    }
}

impl fmt::Debug for DhcpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhcpService").field("status", &*self.status.borrow()).finish()
    }
}

impl Commands {
    /// None when the thread ends before it has answered.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (done, answer) = oneshot::channel();
        self.tell(command(done)).await;
        answer.await.ok()
    }

    async fn tell(&self, command: Command) {
        // Refused only when the thread has ended.
        if self.sender.send(command).await.is_ok() {
            self.wake.wake();
        }
    }
}

const SHUTTING_DOWN: &str = "the rack is shutting down";

/// All that takes time: options are encoded and sockets opened before the packet path learns of anything.
fn prepare(
    vlan: &DhcpVlan,
    links: &[LinkAddresses],
    old: &Ports,
) -> Result<(CompiledVlan, Arc<Ports>), Verdict> {
    let numbers: &[u16] =
        if vlan.proxy { &[SERVER_PORT, BOOT_SERVER_PORT] } else { &[SERVER_PORT] };
    let ports = old.with(vlan.vlan, links, numbers).map_err(|error| refused(error.to_string()))?;
    let compiled = CompiledVlan::compile(vlan, &ports.links(vlan.vlan))
        .map_err(|objections| Verdict::Refused { objections, reason: String::new() })?;
    Ok((compiled, Arc::new(ports)))
}

fn refused(reason: String) -> Verdict {
    Verdict::Refused { objections: Vec::new(), reason }
}
