//! How this rack is, for whoever asks on its machine: `hostler-rack status` reads one JSON document from a unix socket. Nothing can be changed here.

use common::report::{ServiceState, ServiceStatus, Verdict};
use runtime::{clock::Clock, tasks::Tasks};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
    time::timeout,
};
use uuid::Uuid;

use crate::{
    apply::{Applied, InterfaceUse, NamedStatus},
    link::LinkStatus,
    services::Statuses,
};

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Status {
    pub version: String,
    /// RFC 3339, as all times here.
    pub time: String,
    pub incarnation: Uuid,
    /// None: it serves a file.
    pub region: Option<LinkStatus>,
    /// The number of the newest lease fact on the disk.
    pub newest_fact: u64,
    pub services: Vec<ServiceRow>,
    pub scopes: Vec<ScopeRow>,
    pub interfaces: Vec<InterfaceRow>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ServiceRow {
    pub name: String,
    pub state: String,
    pub detail: String,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ScopeRow {
    pub scope: String,
    /// What people call it.
    pub name: String,
    pub verdict: String,
    pub offered: String,
    /// Empty: nothing is being served.
    pub serving: String,
    /// Why it was refused, one reason each.
    pub why: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InterfaceRow {
    pub name: String,
    pub up: bool,
    pub addresses: Vec<String>,
    /// The VLAN that it leads into; empty: none.
    pub vlan: String,
    /// Why it leads into none.
    pub why: String,
}

/// What there is to be told.
#[derive(Clone, Debug)]
pub struct Sources {
    pub incarnation: watch::Receiver<Uuid>,
    pub clock: Clock,
    pub applied: Applied,
    pub services: Statuses,
    pub newest_fact: watch::Receiver<u64>,
    pub link: Option<watch::Receiver<LinkStatus>>,
}

/// For a reader that connects and does not read.
const LIMIT: Duration = Duration::from_secs(5);

/// Answers until shutdown.
pub fn serve(path: &Path, sources: Sources, tasks: &Tasks) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // What an earlier process left; the state directory's lock says that none is running.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    let (shutdown, brief) = (tasks.shutdown(), tasks.clone());
    tasks.spawn("status socket", async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let status = sources.read();
                    brief.spawn_brief("status answer", async move {
                        // Whoever asked and left wants no answer.
                        let _ = timeout(LIMIT, answer(stream, &status)).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the status socket cannot accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(())
}

async fn answer(mut stream: UnixStream, status: &Status) -> io::Result<()> {
    let text = serde_json::to_vec(status).map_err(io::Error::other)?;
    stream.write_all(&text).await?;
    stream.shutdown().await
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{}: no hostler-rack answers there; is it running?", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("{}: the answer cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Asks the rack that runs on this machine.
pub async fn ask(path: &Path) -> Result<Status, AskError> {
    let mut stream = UnixStream::connect(path)
        .await
        .map_err(|source| AskError::Connect { path: path.into(), source })?;
    let mut text = Vec::new();
    let read = timeout(LIMIT, stream.read_to_end(&mut text)).await;
    let read = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    read.and_then(|_| serde_json::from_slice(&text).map_err(io::Error::other))
        .map_err(|source| AskError::Read { path: path.into(), source })
}

impl Sources {
    pub fn read(&self) -> Status {
        let scopes = self.applied.scopes();
        let scopes = scopes.borrow().iter().map(scope_row).collect();
        let interfaces = self.applied.interfaces();
        let interfaces = interfaces.borrow().iter().map(interface_row).collect();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            time: self.clock.now().to_string(),
            incarnation: *self.incarnation.borrow(),
            region: self.link.as_ref().map(|link| link.borrow().clone()),
            newest_fact: *self.newest_fact.borrow(),
            services: self.services.clone().read().into_iter().map(service_row).collect(),
            scopes,
            interfaces,
        }
    }
}

fn service_row(status: ServiceStatus) -> ServiceRow {
    let state = match status.state {
        ServiceState::Running => "running",
        ServiceState::Idle => "idle",
        ServiceState::Degraded => "degraded",
        ServiceState::Failed => "failed",
    };
    ServiceRow { name: status.name, state: state.into(), detail: status.detail }
}

fn scope_row(named: &NamedStatus) -> ScopeRow {
    let status = &named.status;
    let (verdict, why) = match &status.verdict {
        Verdict::Applied => ("applied", Vec::new()),
        Verdict::Standby => ("standby", Vec::new()),
        Verdict::Refused { objections, reason } => {
            let objections = objections.iter().map(ToString::to_string);
            let reason = Some(reason.clone()).filter(|reason| !reason.is_empty());
            ("refused", objections.chain(reason).collect())
        }
    };
    ScopeRow {
        scope: status.scope.clone(),
        name: named.name.clone(),
        verdict: verdict.into(),
        offered: status.offered.to_string(),
        serving: status.good.map(|good| good.to_string()).unwrap_or_default(),
        why,
    }
}

fn interface_row(own: &InterfaceUse) -> InterfaceRow {
    let interface = &own.interface;
    InterfaceRow {
        name: interface.name.clone(),
        up: interface.up,
        addresses: interface
            .addresses
            .iter()
            .map(|(ip, length)| format!("{ip}/{length}"))
            .collect(),
        vlan: own.vlan.clone(),
        why: own.unused.clone(),
    }
}
