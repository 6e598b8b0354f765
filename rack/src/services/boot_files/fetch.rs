//! How boot files come from region: by HTTPS on the racks' port, in pieces, each of them where the last one ended.

use axum::body::Body;
use common::generation::Digest;
use futures_util::future::join;
use http::{
    Request, StatusCode,
    header::{HOST, RANGE},
};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use runtime::{
    channel::{ConnectError, connect},
    clock::Clock,
    tls::{self, REGION_NAME, TlsError, Trust},
};
use std::{io, pin::Pin, time::Duration};
use tokio::{sync::watch, task::spawn_blocking, time::timeout};

use crate::{
    enrol,
    store::{
        StoreError,
        boot_files::{BootFileStore, Partial, StoredFile, hex},
        identity::Credentials,
    },
};

/// A request's worth: between two of them something smaller may come first.
const PIECE: u64 = 16 << 20;
/// Gathered before the disk is asked to take it.
const WRITE: usize = 1 << 20;
/// For an answer, and for each part of one.
const PATIENCE: Duration = Duration::from_secs(20);

/// Region, as a source of files.
#[derive(Clone, Debug)]
pub struct Origin {
    pub addresses: Vec<String>,
    pub trust: Trust,
    pub credentials: watch::Receiver<Credentials>,
    /// By which certificates are judged.
    pub validity: Clock,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("region cannot be reached")]
    Connect(#[from] ConnectError),
    #[error("this rack's identity cannot be used")]
    Tls(#[from] TlsError),
    #[error("the connection broke off")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    #[error("region does not have it")]
    NotThere,
    #[error("region answered {0}")]
    Status(StatusCode),
    #[error("region fell silent for {} s", PATIENCE.as_secs())]
    Late,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the rack is shutting down")]
    ShuttingDown,
}

/// Takes the next piece; the file, once it is whole.
pub(super) async fn advance(
    origin: &Origin,
    store: &BootFileStore,
    digest: Digest,
    size: u64,
) -> Result<Option<StoredFile>, FetchError> {
    let own = store.clone();
    let mut partial = on_disk(move || own.partial(&digest, size)).await?;
    if !partial.is_whole() {
        let first = partial.length();
        let last = first.saturating_add(PIECE).min(size) - 1;
        partial = origin.piece(partial, &digest, first, last).await?;
    }
    if !partial.is_whole() {
        return Ok(None);
    }
    Ok(Some(on_disk(move || partial.finish()).await?))
}

impl Origin {
    async fn piece(
        &self,
        partial: Partial,
        digest: &Digest,
        first: u64,
        last: u64,
    ) -> Result<Partial, FetchError> {
        let identity = self.credentials.borrow().identity()?;
        let mut config = tls::client_config(&self.trust, Some(identity), &self.validity)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = connect(&enrol::target(&self.addresses), config).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(format!("/boot-files/{}", hex(digest)))
            .header(HOST, REGION_NAME)
            .header(RANGE, format!("bytes={first}-{last}"))
            .body(Body::empty())?;
        let work = async move {
            let answer = timeout(PATIENCE, sender.send_request(request)).await;
            let answer = answer.map_err(|_| FetchError::Late)??;
            match answer.status() {
                StatusCode::PARTIAL_CONTENT => {}
                // The whole where its beginning was asked for is as good.
                StatusCode::OK if first == 0 => {}
                StatusCode::NOT_FOUND => return Err(FetchError::NotThere),
                other => return Err(FetchError::Status(other)),
            }
            take(answer.into_body(), partial).await
            // `sender` goes here, and the connection with it.
        };
        let (partial, _ended) = join(work, connection).await;
        partial
    }
}

/// Appends what comes, a megabyte at a time.
async fn take(mut body: Incoming, mut partial: Partial) -> Result<Partial, FetchError> {
    let mut gathered = Vec::new();
    loop {
        let next = std::future::poll_fn(|context| {
            hyper::body::Body::poll_frame(Pin::new(&mut body), context)
        });
        let frame = timeout(PATIENCE, next).await;
        // What came before it broke off is kept, so that the next attempt goes on from there.
        let (data, failure) = match frame {
            Ok(Some(Ok(frame))) => (frame.into_data().ok(), None),
            Ok(Some(Err(error))) => (None, Some(FetchError::Http(error))),
            Ok(None) => (None, None),
            Err(_) => (None, Some(FetchError::Late)),
        };
        let ended = data.is_none();
        gathered.extend_from_slice(data.as_deref().unwrap_or_default());
        if ended || gathered.len() >= WRITE {
            metrics::counter!("hostler_boot_files_fetched_bytes_total")
                .increment(gathered.len() as u64);
            let bytes = std::mem::take(&mut gathered);
            partial = on_disk(move || partial.append(&bytes).map(|()| partial)).await?;
        }
        match failure {
            Some(failure) => return Err(failure),
            None if ended => return Ok(partial),
            None => {}
        }
    }
}

/// Runs a blocking piece of work with files off the tasks' threads.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, FetchError> {
    // Only a shutdown breaks off what blocks.
    let done = spawn_blocking(work).await.map_err(|_| FetchError::ShuttingDown)?;
    Ok(done?)
}

impl FetchError {
    /// The disk's, and not region's.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Store(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull)
    }
}
