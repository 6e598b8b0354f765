//! TLS to PostgreSQL. libpq is built without it, so for a URL that asks for TLS libpq speaks plainly to a socket of ours, in a folder that only this
//! user may enter, and what it says goes on to the server encrypted. A URL never means less than it says.

mod trust;
mod url;

use common::Secret;
use runtime::tasks::Tasks;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, os::unix::fs::DirBuilderExt, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub use url::{Mode, PostgresUrl};

#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    #[error("{0}")]
    Url(String),
    #[error("the authorities of sslrootcert {path:?} cannot be used: {reason}")]
    Authorities { path: String, reason: String },
    #[error("cannot reach {server}: {source}")]
    Unreachable { server: String, source: io::Error },
    #[error("{server} speaks no TLS, and sslmode asks for it")]
    Plain { server: String },
    #[error("no TLS with {server}: {source}")]
    Handshake { server: String, source: io::Error },
    #[error("no socket for the tunnel: {0}")]
    Socket(#[from] io::Error),
}

/// The URL to give to libpq. Whoever asks for no TLS gets their own back.
pub(super) async fn through(
    given: Secret<String>,
    tasks: &Tasks,
) -> Result<Secret<String>, TunnelError> {
    let url = PostgresUrl::parse(given.expose()).map_err(|refusal| TunnelError::Url(refusal.0))?;
    if url.mode == Mode::Plain {
        return Ok(given);
    }
    let far = Arc::new(Far { config: trust::config(&url)?, url });
    // Before anything is believed to work: what is wrong is said now, in words.
    drop(far.connect().await?);
    let folder = Folder::make()?;
    let near = UnixListener::bind(folder.0.join(format!(".s.PGSQL.{}", far.url.port)))?;
    let local = far.url.by_socket(&folder.0);
    let (own, shutdown) = (tasks.clone(), tasks.shutdown());
    tasks.spawn("database tunnel", async move {
        let _folder = folder;
        loop {
            let accepted = tokio::select! {
                accepted = near.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            match accepted {
                Ok((client, _)) => {
                    let (far, shutdown) = (far.clone(), shutdown.clone());
                    own.spawn_brief("database tunnel connection", async move {
                        tokio::select! {
                            () = carry(client, &far) => {}
                            () = shutdown.cancelled() => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the tunnel to the database accepts nothing");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(local)
}

/// Without TLS on the far side nothing is carried: libpq finds the connection closed.
async fn carry(mut client: UnixStream, far: &Far) {
    match far.connect().await {
        // Either end may go at any time; libpq says what that means.
        Ok(mut server) => drop(copy_bidirectional(&mut client, &mut server).await),
        Err(error) => tracing::warn!(%error, "no encrypted connection to the database"),
    }
}

struct Far {
    url: PostgresUrl,
    config: Arc<ClientConfig>,
}

/// How long the far side may take to speak TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);

impl Far {
    async fn connect(&self) -> Result<TlsStream<TcpStream>, TunnelError> {
        let server = format!("{}:{}", self.url.host, self.url.port);
        let unreachable = |source| TunnelError::Unreachable { server: server.clone(), source };
        let limited = tokio::time::timeout(HANDSHAKE, async {
            let mut stream = TcpStream::connect((self.url.host.as_str(), self.url.port))
                .await
                .map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            stream.write_all(&SSL_REQUEST).await.map_err(unreachable)?;
            if stream.read_u8().await.map_err(unreachable)? != b'S' {
                return Err(TunnelError::Plain { server: server.clone() });
            }
            let name = ServerName::try_from(self.url.host.clone()).map_err(|error| {
                TunnelError::Handshake { server: server.clone(), source: io::Error::other(error) }
            })?;
            let connector = TlsConnector::from(self.config.clone());
            let handshake = connector.connect(name, stream).await;
            handshake.map_err(|source| TunnelError::Handshake { server: server.clone(), source })
        });
        limited.await.unwrap_or_else(|_| Err(unreachable(io::ErrorKind::TimedOut.into())))
    }
}

/// "Let us speak TLS", before anything else: length 8, code 1234.5679 (PostgreSQL protocol, section 54.2.10).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Where the near socket lies; nobody else may enter.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let name = format!("hostler-{}", uuid::Uuid::now_v7().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It holds nothing but the socket.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
