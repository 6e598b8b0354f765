//! HTTP over a connection whose peer is known.

use axum::{Router, body::Body};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use runtime::{tasks::Tasks, telemetry::Causes};
use std::{
    io::{self, Cursor},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::Door;
use crate::auth::identity::Peer;

const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long a silent peer is believed to live, on top of the interval.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);
/// How long requests under way get at shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// "PRI * HTTP/2.0" and so on (RFC 9113, 3.4).
const PREFACE: usize = 24;

/// Until the peer has had enough, or shutdown. One that says nothing is hung up on: after the preface HTTP/2 looks after that itself, by pings.
pub(super) async fn serve(stream: TlsStream<TcpStream>, peer: Peer, door: &Door, tasks: &Tasks) {
    let (address, patience) = (peer.address, door.crowd.limits.patience);
    // Agreed upon in the handshake, so there is nothing to guess from the first bytes.
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2".as_slice());
    let (to, builder) = ((peer, door.routes.clone()), builder(tasks, patience));
    let served = if http2 {
        match greeted(stream, patience, tasks).await {
            Ok(stream) => run(builder.http2_only(), stream, to, tasks).await,
            Err(error) => Err(error.into()),
        }
    } else {
        run(builder.http1_only(), stream, to, tasks).await
    };
    if let Err(error) = served {
        tracing::debug!(peer = %address, error = %Causes(error.as_ref()), "connection ended");
    }
}

/// The stream as it was, once its peer has sent what a client of HTTP/2 sends first: hyper waits for that without end.
async fn greeted<S: AsyncRead + AsyncWrite + Send + 'static>(
    stream: S,
    patience: Duration,
    tasks: &Tasks,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<S>> {
    let (mut from, to) = tokio::io::split(stream);
    let mut preface = [0; PREFACE];
    tokio::select! {
        read = timeout(patience, from.read_exact(&mut preface)) => read??,
        () = tasks.shutdown().cancelled_owned() => return Err(io::ErrorKind::ConnectionAborted.into()),
    };
    Ok(tokio::io::join(Cursor::new(preface).chain(from), to))
}

fn builder(tasks: &Tasks, patience: Duration) -> Builder<Joined> {
    let mut builder = Builder::new(Joined(tasks.clone()));
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_LIMIT);
    builder
}

async fn run(
    builder: Builder<Joined>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (peer, routes): (Peer, Router),
    tasks: &Tasks,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let service = routes.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.map(Body::new)
    });
    let shutdown = tasks.shutdown();
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    tokio::pin!(served);
    tokio::select! {
        outcome = served.as_mut() => outcome,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            timeout(GRACE, served).await.unwrap_or(Ok(()))
        }
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
