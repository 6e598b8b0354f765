//! TFTP, read only (RFC 1350, 2347, 2348, 2349, 7440): a thread of its own around rules that know no socket (`transfer`) and a parser that knows no rules
//! (`packet`).

mod active;
mod blocks;
mod packet;
mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod transfer;
mod waiting;

use runtime::tasks::Tasks;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::Builder,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{boot_events::BootEvents, boot_files::Table, limits::Limits};
use crate::net::{
    port_owner::{self, Transport},
    wake::Wake,
};
use active::LIMITS;
use server::{Command, Parts, Server};

/// Where TFTP servers listen (RFC 1350 section 4).
pub const PORT: u16 = 69;
/// Commands come one at a time, from the one task that applies configurations, and from shutdown.
const COMMANDS: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    #[error("UDP port {} of {} is taken by {owner}", address.port(), address.ip())]
    Taken { address: SocketAddr, owner: String },
    #[error("UDP port {} of {} cannot be served: {error}", address.port(), address.ip())]
    Refused { address: SocketAddr, error: String },
    #[error("the rack is shutting down")]
    ShuttingDown,
}

/// The server; a clone is the same one.
#[derive(Clone, Debug)]
pub struct TftpService {
    commands: mpsc::Sender<Command>,
    wake: Arc<Wake>,
    open: Arc<AtomicUsize>,
}

impl TftpService {
    /// Starts the thread, which ends with `tasks`. It listens nowhere yet.
    pub fn start(
        table: watch::Receiver<Arc<Table>>,
        events: BootEvents,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        Self::start_within(LIMITS, table, events, tasks)
    }

    fn start_within(
        limits: Limits,
        table: watch::Receiver<Arc<Table>>,
        events: BootEvents,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (wake, open) = (Arc::new(Wake::new()?), Arc::<AtomicUsize>::default());
        let parts = Parts {
            table,
            events,
            commands,
            wake: Arc::clone(&wake),
            open: Arc::clone(&open),
            limits,
        };
        let server = Server::new(parts)?;
        let (alive, mut ended) = oneshot::channel::<()>();
        Builder::new().name("tftp".into()).spawn(move || {
            // Dropped when the work is done, and when it panics.
            let _alive = alive;
            if let Err(error) = server.run() {
                tracing::error!(%error, "the TFTP thread ended");
            }
        })?;
        let own = Self { commands: sender, wake, open };
        let (shutdown, service) = (tasks.shutdown(), own.clone());
        tasks.spawn("tftp", async move {
            tokio::select! {
                () = shutdown.cancelled() => {
                    service.tell(Command::End).await;
                    // It ends by dropping its end.
                    let _ = ended.await;
                }
                _ = &mut ended => {}
            }
        });
        Ok(own)
    }

    /// From now on these addresses and no others are listened at; refused as a whole where one of them is.
    pub async fn listen(&self, addresses: Vec<SocketAddr>) -> Result<(), ListenError> {
        let (done, answer) = oneshot::channel();
        self.tell(Command::Listen { addresses, done }).await;
        answer.await.unwrap_or(Err(ListenError::ShuttingDown))
    }

    /// How many transfers are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    async fn tell(&self, command: Command) {
        // Refused only when the thread has ended.
        if self.commands.send(command).await.is_ok() {
            self.wake.wake();
        }
    }
}

impl ListenError {
    fn refused(address: SocketAddr, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::AddrInUse {
            return Self::Taken {
                address,
                owner: port_owner::describe(Transport::Udp, address.port()),
            };
        }
        Self::Refused { address, error: error.to_string() }
    }
}

/// The addresses of the rack with TFTP's port.
pub fn at(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| (address, PORT).into()).collect()
}
