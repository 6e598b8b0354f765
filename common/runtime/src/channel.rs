//! A gRPC channel over TLS to whichever of several addresses answers.

use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

/// One server, at any of its addresses.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port` each: a name, an IPv4 address, or an IPv6 address in brackets; tried in turn.
    pub addresses: Vec<String>,
    /// The name that its certificate must have.
    pub name: ServerName<'static>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no address is configured")]
    NoAddress,
    /// Each address with the reason why not.
    #[error("{}", listed(.0))]
    Unreachable(Vec<(String, Attempt)>),
    #[error("the connection was refused as gRPC")]
    Transport(#[from] tonic::transport::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum Attempt {
    #[error("no connection")]
    Tcp(#[source] io::Error),
    #[error("no TLS")]
    Tls(#[source] io::Error),
    #[error("no answer within {} s", LIMIT.as_secs())]
    Late,
}

/// For one address: TCP and TLS together.
const LIMIT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(5);
/// How long a silent peer is believed to live, on top of the interval.
const KEEPALIVE_LIMIT: Duration = Duration::from_secs(10);

/// A plain TLS connection, for what is no gRPC.
pub async fn connect(
    target: &Target,
    config: ClientConfig,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    dial(target, &TlsConnector::from(Arc::new(config))).await
}

/// Connects now, and by itself again when a call finds the connection gone.
pub async fn channel(target: &Target, config: ClientConfig) -> Result<Channel, ConnectError> {
    let connector = TlsConnector::from(Arc::new(config));
    // The first connection is made here, so that its failure has its reasons and not tonic's summary.
    let first = Arc::new(tokio::sync::Mutex::new(Some(dial(target, &connector).await?)));
    let target = target.clone();
    let connect = tower::service_fn(move |_: http::Uri| {
        let (target, connector, first) = (target.clone(), connector.clone(), first.clone());
        async move {
            match first.lock().await.take() {
                Some(stream) => Ok(TokioIo::new(stream)),
                None => dial(&target, &connector).await.map(TokioIo::new),
            }
        }
    });
    let endpoint = Endpoint::from_static("http://region")
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_LIMIT)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_with_connector(connect).await?)
}

async fn dial(
    target: &Target,
    connector: &TlsConnector,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let mut failed = Vec::new();
    for address in &target.addresses {
        let attempt = timeout(LIMIT, reach(address, target, connector));
        match attempt.await.unwrap_or(Err(Attempt::Late)) {
            Ok(stream) => return Ok(stream),
            Err(why) => failed.push((address.clone(), why)),
        }
    }
    if failed.is_empty() {
        Err(ConnectError::NoAddress)
    } else {
        Err(ConnectError::Unreachable(failed))
    }
}

async fn reach(
    address: &str,
    target: &Target,
    connector: &TlsConnector,
) -> Result<TlsStream<TcpStream>, Attempt> {
    let stream = TcpStream::connect(address).await.map_err(Attempt::Tcp)?;
    stream.set_nodelay(true).map_err(Attempt::Tcp)?;
    connector.connect(target.name.clone(), stream).await.map_err(Attempt::Tls)
}

fn listed(attempts: &[(String, Attempt)]) -> impl fmt::Display {
    let each = attempts
        .iter()
        .map(|(address, why)| format!("{address}: {}", crate::telemetry::Causes(why)));
    each.collect::<Vec<_>>().join("; ")
}
