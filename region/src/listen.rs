//! The accept loop of both listeners: TLS, then who it is, then requests that carry it. Knows no request and no answer.

mod http;
pub mod limits;
mod open;

pub use limits::{Crowd, Limits};
pub use open::Connections;

use axum::Router;
use runtime::{tasks::Tasks, telemetry::Causes, tls::certificate_alert};
use rustls::ServerConfig;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::auth::identity::{Peer, RackIdentity};
use limits::Guest;

/// Strangers may open connections and say nothing; beyond this many at once, the next one waits in the kernel's queue.
const HANDSHAKES: usize = 256;
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
    pub crowd: Crowd,
    pub refused: Refused,
}

/// Told of each certificate that was refused, theirs by us or ours by them, with the reason; must not block.
pub type Refused = Arc<dyn Fn(SocketAddr, String) + Send + Sync>;

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
        let turn = handshakes.clone().acquire_owned();
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = async {
                let turn = turn.await.expect("nobody closes it");
                (turn, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (turn, Ok((stream, address))) => {
                let Some(guest) = door.crowd.admit(address, turn) else { continue };
                let (door, own) = (door.clone(), tasks.clone());
                tasks.spawn_brief("connection", async move {
                    connection(stream, guest, &door, &own).await;
                });
            }
            (_, Err(error)) => {
                tracing::warn!(listener = door.name, %error, "cannot accept connections");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, mut guest: Guest, door: &Door, tasks: &Tasks) {
    let (address, shutdown) = (guest.address, tasks.shutdown());
    let shaken = tokio::select! {
        shaken = shake_hands(stream, address, door) => shaken,
        () = shutdown.cancelled() => None,
    };
    let Some(stream) = shaken else { return };
    guest.handshake = None;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let rack = match shown.map(RackIdentity::of).transpose() {
        Ok(rack) => rack,
        Err(why) => return (door.refused)(address, why.to_string()),
    };
    let cut = door.connections.open(rack.clone());
    let peer = Peer { address, rack: rack.clone() };
    tokio::select! {
        () = http::serve(stream, peer, door, tasks) => {}
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
    let error = match timeout(door.crowd.limits.patience, acceptor.accept(stream)).await {
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
    } else if let Some(alert) = certificate_alert(&error) {
        (door.refused)(
            address,
            format!(
                "it does not trust this region's certificate ({alert:?}): it belongs to another region, or this one's authority was made anew; join with a new token"
            ),
        );
    } else {
        tracing::debug!(peer = %address, listener = door.name, %error, "no handshake");
    }
    None
}

#[cfg(test)]
mod tests;
