//! HTTP for machines that boot: files by their path below `/boot/`, and each machine's own script at `/boot/script`. Plain, since firmware is: what must not
//! be tampered with is signed, and checked by Secure Boot.

mod answer;
mod stream;
#[cfg(test)]
mod tests;

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioTimer;
use runtime::tasks::Tasks;
use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{boot_events::BootEvents, boot_files::Table, limits::Limits};
use crate::net::port_owner::{self, Transport};
use answer::Client;
use stream::{Pieces, Stream};

/// Of a request's head, and of a connection on which none comes: firmware keeps one open between loader and kernel.
const IDLE: Duration = Duration::from_secs(30);
/// A request's head is a path, a name and a few headers.
const HEAD: usize = 16 << 10;
/// When the process is out of file descriptors, accepting again at once would only burn CPU.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection takes some 30 KiB, most of it the kernel's.
const LIMITS: Limits = Limits { in_all: 2048, per_client: 64 };

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    #[error("TCP port {} of {} is taken by {owner}", address.port(), address.ip())]
    Taken { address: SocketAddr, owner: String },
    #[error("TCP port {} of {} cannot be served: {error}", address.port(), address.ip())]
    Refused { address: SocketAddr, error: String },
}

/// The server; a clone is the same one.
#[derive(Clone, Debug)]
pub struct HttpBootService(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: watch::Receiver<Arc<Table>>,
    events: BootEvents,
    tasks: Tasks,
    limits: Limits,
    /// Permits are connections.
    connections: Arc<Semaphore>,
    clients: Mutex<HashMap<IpAddr, usize>>,
    listeners: tokio::sync::Mutex<HashMap<SocketAddr, CancellationToken>>,
    open: AtomicUsize,
}

impl HttpBootService {
    /// It listens nowhere yet; connections end with `tasks`.
    pub fn new(table: watch::Receiver<Arc<Table>>, events: BootEvents, tasks: &Tasks) -> Self {
        Self::within(LIMITS, table, events, tasks)
    }

    fn within(
        limits: Limits,
        table: watch::Receiver<Arc<Table>>,
        events: BootEvents,
        tasks: &Tasks,
    ) -> Self {
        Self(Arc::new(Shared {
            table,
            events,
            tasks: tasks.clone(),
            limits,
            connections: Arc::new(Semaphore::new(limits.in_all)),
            clients: Mutex::default(),
            listeners: tokio::sync::Mutex::default(),
            open: AtomicUsize::new(0),
        }))
    }

    /// From now on these addresses and no others are listened at; refused as a whole where one of them is. What is connected stays so.
    pub async fn listen(&self, addresses: &[SocketAddr]) -> Result<(), ListenError> {
        let mut listeners = self.0.listeners.lock().await;
        let mut opened = Vec::new();
        for address in addresses.iter().filter(|address| !listeners.contains_key(*address)) {
            let listener = TcpListener::bind(address).await;
            opened.push((*address, listener.map_err(|error| refused(*address, &error))?));
        }
        listeners.retain(|address, listening| {
            let stays = addresses.contains(address);
            if !stays {
                listening.cancel();
            }
            stays
        });
        for (address, listener) in opened {
            let until = self.0.tasks.shutdown().child_token();
            listeners.insert(address, until.clone());
            let shared = Arc::clone(&self.0);
            self.0.tasks.spawn_brief("http-boot listener", async move {
                tokio::select! {
                    () = accept(&shared, listener) => {}
                    () = until.cancelled() => {}
                }
            });
        }
        Ok(())
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }
}

fn refused(address: SocketAddr, error: &io::Error) -> ListenError {
    if error.kind() == io::ErrorKind::AddrInUse {
        let owner = port_owner::describe(Transport::Tcp, address.port());
        return ListenError::Taken { address, owner };
    }
    ListenError::Refused { address, error: error.to_string() }
}

async fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    loop {
        // Beyond the limit the next one waits in the kernel's queue.
        let permit = Arc::clone(&shared.connections).acquire_owned().await;
        let permit = permit.expect("nobody closes it");
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "HTTP boot cannot accept connections");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Some(turn) = Turn::take(shared, peer.ip()) else {
            metrics::counter!("hostler_http_boot_connections_refused_total").increment(1);
            continue;
        };
        let shutdown = shared.tasks.shutdown();
        shared.tasks.spawn_brief("http-boot connection", async move {
            let _permit = permit;
            tokio::select! {
                () = serve(&turn, tcp, peer) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}

/// One connection of one client, counted while it lives.
struct Turn {
    shared: Arc<Shared>,
    client: IpAddr,
}

impl Turn {
    fn take(shared: &Arc<Shared>, client: IpAddr) -> Option<Self> {
        let mut clients = shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let count = clients.entry(client).or_default();
        if *count >= shared.limits.per_client {
            return None;
        }
        *count += 1;
        shared.open.fetch_add(1, Ordering::Relaxed);
        Some(Self { shared: Arc::clone(shared), client })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = clients.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

async fn serve(turn: &Turn, tcp: TcpStream, peer: SocketAddr) {
    let shared = &turn.shared;
    let Ok(local) = tcp.local_addr() else { return };
    // Answers are whole when they are written; nothing is gained by waiting for more.
    let _ = tcp.set_nodelay(true);
    let pieces = Pieces::default();
    let client = Client {
        peer: peer.ip(),
        server: local.ip(),
        pieces: pieces.clone(),
        events: shared.events.clone(),
    };
    let service = service_fn(|request: Request<Incoming>| {
        let table = Arc::clone(&shared.table.borrow());
        let answer: Response<_> = client.answer(&table, &request);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD)
        .writev(true)
        .serve_connection(Stream::new(tcp, pieces), service);
    if let Err(error) = connection.await {
        tracing::debug!(%peer, %error, "an HTTP boot connection ended");
    }
}

/// The addresses of the rack with the port of HTTP boot.
pub fn at(addresses: impl IntoIterator<Item = IpAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.into_iter().map(|address| (address, port).into()).collect()
}
