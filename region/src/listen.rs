//! The accept loop of both listeners: TLS, then who it is, then requests that carry it. Knows no request and no answer.

use axum::{Router, body::Body};
use common::RackId;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use runtime::{tasks::Tasks, telemetry::Causes};
use rustls::ServerConfig;
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::auth::identity::{Peer, RackIdentity};

/// Strangers may open connections and say nothing; beyond this many at once, the next one waits in the kernel's queue.
const HANDSHAKES: usize = 256;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long a silent peer is believed to live, on top of the interval.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);
/// How long requests under way get at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// When the process is out of file descriptors, accepting again at once would only burn CPU.
const PAUSE: Duration = Duration::from_millis(100);

/// What becomes of those who are let in, and who hears of those who are not.
#[derive(Clone)]
pub struct Door {
    /// For logs: operators, racks.
    pub name: &'static str,
    pub tls: Arc<ServerConfig>,
    pub routes: Router,
    pub connections: Connections,
    pub refused: Refused,
}

/// Told of each certificate that was refused, with the reason; must not block.
pub type Refused = Arc<dyn Fn(SocketAddr, String) + Send + Sync>;

/// The connections that racks have open now, so that one rack's can be cut at once.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<HashMap<RackId, Vec<Open>>>>);

struct Open {
    identity: RackIdentity,
    cut: CancellationToken,
}

impl Connections {
    /// Drops every connection that was made with a certificate of this rack, whatever runs on it.
    pub fn cut(&self, rack: RackId) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&rack);
        open.into_iter().flatten().for_each(|open| open.cut.cancel());
    }

    /// Whose certificates connections were made with.
    pub fn identities(&self) -> Vec<RackIdentity> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().flatten().map(|open| open.identity.clone()).collect()
    }

    fn open(&self, identity: Option<RackIdentity>) -> CancellationToken {
        let cut = CancellationToken::new();
        if let Some(identity) = identity {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own = Open { identity, cut: cut.clone() };
            open.entry(own.identity.rack).or_default().push(own);
        }
        cut
    }

    /// A token of a connection that has ended is cancelled and so swept here.
    fn closed(&self, rack: Option<RackId>, ended: &CancellationToken) {
        ended.cancel();
        let Some(rack) = rack else { return };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&rack) {
            own.retain(|open| !open.cut.is_cancelled());
            if own.is_empty() {
                open.remove(&rack);
            }
        }
    }
}

/// Binds; `[::]` takes IPv4 as well, and on a machine without IPv6 stands for 0.0.0.0.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && no_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        outcome => outcome,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT)
}

/// Serves until shutdown; every connection is a task of `tasks`.
pub fn spawn(listener: TcpListener, door: Door, tasks: &Tasks) {
    let own = tasks.clone();
    tasks.spawn(door.name, async move { accept(listener, door, &own).await });
}

async fn accept(listener: TcpListener, door: Door, tasks: &Tasks) {
    let (shutdown, handshakes) = (tasks.shutdown(), Arc::new(Semaphore::new(HANDSHAKES)));
    loop {
        let permit = handshakes.clone().acquire_owned();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = async {
                let permit = permit.await.expect("nobody closes it");
                (permit, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (permit, Ok((stream, address))) => {
                let (door, own) = (door.clone(), tasks.clone());
                tasks.spawn_brief("connection", async move {
                    connection(stream, address, &door, permit, &own).await;
                });
            }
            (_, Err(error)) => {
                tracing::warn!(listener = door.name, %error, "cannot accept connections");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    door: &Door,
    handshake: OwnedSemaphorePermit,
    tasks: &Tasks,
) {
    let Some(stream) = shake_hands(stream, address, door).await else { return };
    drop(handshake);
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let rack = match shown.map(RackIdentity::of).transpose() {
        Ok(rack) => rack,
        Err(why) => return (door.refused)(address, why.to_string()),
    };
    let cut = door.connections.open(rack.clone());
    let peer = Peer { address, rack: rack.clone() };
    tokio::select! {
        () = serve(stream, peer, door.routes.clone(), tasks) => {}
        () = cut.cancelled() => tracing::info!(peer = %address, "connection cut"),
    }
    door.connections.closed(rack.map(|rack| rack.rack), &cut);
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    door: &Door,
) -> Option<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(door.tls.clone());
    let error = match timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error,
        Err(_) => {
            tracing::debug!(peer = %address, listener = door.name, "no handshake in time");
            return None;
        }
    };
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if matches!(cause, Some(rustls::Error::InvalidCertificate(_))) {
        (door.refused)(address, Causes(&error).to_string());
    } else {
        tracing::debug!(peer = %address, listener = door.name, %error, "no handshake");
    }
    None
}

async fn serve(stream: TlsStream<TcpStream>, peer: Peer, routes: Router, tasks: &Tasks) {
    let shutdown = tasks.shutdown();
    let address = peer.address;
    let service = routes.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(Body::new)
    });
    let mut builder = Builder::new(Joined(tasks.clone()));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_LIMIT);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(served);
    let outcome = tokio::select! {
        outcome = served.as_mut() => outcome,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(peer = %address, error = %Causes(error.as_ref()), "connection ended");
    }
}

/// Runs what HTTP/2 spawns as tasks of the process, so that they are joined.
#[derive(Clone)]
struct Joined(Tasks);

impl<F> hyper::rt::Executor<F> for Joined
where
    F: Future + Send + 'static,
{
    fn execute(&self, work: F) {
        self.0.spawn_brief("request", async move {
            work.await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn cutting_a_rack_cuts_all_its_connections_and_no_other() {
        let connections = Connections::default();
        let [one, other] = [1, 2].map(|n| RackId::new(Uuid::from_u128(n)));
        let open = |rack| {
            let not_after = common::Timestamp::from_seconds(1);
            connections.open(Some(RackIdentity { rack, serial: "01".into(), not_after }))
        };
        let (first, second, spared, ended) = (open(one), open(one), open(other), open(other));
        connections.closed(Some(other), &ended);
        assert_eq!(connections.identities().len(), 3);
        connections.cut(one);
        assert!(first.is_cancelled() && second.is_cancelled() && !spared.is_cancelled());
        connections.closed(Some(other), &spared);
        assert!(connections.0.lock().unwrap().is_empty());
    }
}
