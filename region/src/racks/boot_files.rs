//! `GET /boot-files/SHA256`, beside the stream: racks fetch the content of boot files, in parts if they like, by HTTP/2 or HTTP/1.1.

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use common::{RackId, http_range::Part};
use futures_util::stream::try_unfold;
use plan::boot_file::Sha256;
use runtime::telemetry::Causes;
use std::{
    collections::HashMap,
    io::{self, SeekFrom},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, Take},
};
use tonic::{Code, Status};

use super::Racks;
use crate::{api::status, auth::identity::Peer, operations::boot_file};

/// Held in memory of each transfer, besides what the connection itself has in flight.
const CHUNK: usize = 128 * 1024;
/// A rack fetches a few files at a time, each in a few parts; one that asks for more waits.
const AT_ONCE: usize = 16;

#[derive(Clone)]
struct Files {
    racks: Racks,
    transfers: Transfers,
}

pub fn routes(racks: Racks) -> Router {
    let files = Files { racks, transfers: Transfers::default() };
    Router::new().route("/boot-files/{sha256}", get(serve)).with_state(files)
}

async fn serve(
    State(files): State<Files>,
    Path(content): Path<String>,
    peer: Option<Extension<Peer>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    let answered = files.answer(peer, &content, &method, &headers).await;
    let response = answered.unwrap_or_else(Refusal::into_response);
    let status = response.status().as_u16().to_string();
    metrics::counter!("hostler_boot_file_requests_total", "status" => status).increment(1);
    response
}

/// Why there is no content, in a line of text.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        let mut response = (status, why + "\n").into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        const CODES: [(Code, StatusCode); 3] = [
            (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
            (Code::PermissionDenied, StatusCode::FORBIDDEN),
            (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        ];
        let code = CODES.iter().find(|(code, _)| *code == status.code());
        let code = code.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, code)| *code);
        Self(code, status.message().to_owned())
    }
}

impl Files {
    async fn answer(
        &self,
        peer: Option<Peer>,
        content: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, Refusal> {
        let (identity, _) = self.racks.admit_peer(peer).await?;
        let unknown = || Refusal(StatusCode::NOT_FOUND, "no boot file has this content".into());
        let content: Sha256 = content.parse().map_err(|_| unknown())?;
        let named = boot_file::is_named(&self.racks.region, content).await;
        if !named.map_err(status::of)? {
            return Err(unknown());
        }
        let etag = format!("\"{content}\"");
        if listed(headers.get(header::IF_NONE_MATCH), &etag) {
            return Ok(with_etag(StatusCode::NOT_MODIFIED.into_response(), &etag));
        }
        let Some(transfer) = self.transfers.begin(identity.rack) else {
            let why = format!("a rack fetches at most {AT_ONCE} files at once");
            return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, why));
        };
        let (file, size) = self.open(content).await?;
        // A part of what has another tag since would not fit to what the rack has (RFC 9110 section 13.1.5).
        let same =
            headers.get(header::IF_RANGE).is_none_or(|tag| tag.as_bytes() == etag.as_bytes());
        let wanted =
            headers.get(header::RANGE).filter(|_| same).and_then(|range| range.to_str().ok());
        let part = wanted.map_or(Part::Whole, |range| Part::parse(range, size));
        let length = part.length(size);
        let (mut response, first) = match part {
            Part::Unsatisfiable => {
                let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size}"));
                return Ok(with_etag(response, &etag));
            }
            Part::Whole => (StatusCode::OK.into_response(), 0),
            Part::Bytes(first, last) => {
                let mut response = StatusCode::PARTIAL_CONTENT.into_response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
                (response, first)
            }
        };
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
        if method != Method::HEAD {
            *response.body_mut() = body(file, first, length, transfer).await?;
        }
        Ok(with_etag(response, &etag))
    }

    async fn open(&self, content: Sha256) -> Result<(File, u64), Refusal> {
        let away = || {
            let why = "this region does not have the content of that boot file";
            Refusal(StatusCode::SERVICE_UNAVAILABLE, why.into())
        };
        let Some(store) = &self.racks.region.boot_files else { return Err(away()) };
        match store.read(content).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => {
                tracing::error!(%content, folder = %store.folder().display(), "a boot file has a name and no content here; regions on one database need one folder for boot files (boot-files in region.toml), or push it again");
                Err(away())
            }
            Err(error) => {
                tracing::error!(%content, error = %Causes(&error), "a boot file cannot be read");
                Err(away())
            }
        }
    }
}

fn with_etag(mut response: Response, etag: &str) -> Response {
    set(&mut response, header::ETAG, etag);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    let value = value.try_into().expect("numbers and hexadecimal digits");
    response.headers_mut().insert(name, value);
}

/// Whether a list of tags, weak ones too, has this one (RFC 9110 section 13.1.2).
fn listed(tags: Option<&HeaderValue>, etag: &str) -> bool {
    let tags = tags.and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let mut tags = tags.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == etag || tag == "*")
}

async fn body(
    mut file: File,
    first: u64,
    length: u64,
    transfer: Transfer,
) -> Result<Body, Refusal> {
    let sought = file.seek(SeekFrom::Start(first)).await;
    sought.map_err(|error| Refusal(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let sending = Sending { file: file.take(length), _transfer: transfer };
    Ok(Body::from_stream(try_unfold(sending, Sending::next)))
}

struct Sending {
    file: Take<File>,
    _transfer: Transfer,
}

impl Sending {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.file.limit() == 0 {
            return Ok(None);
        }
        let mut chunk = Vec::with_capacity(CHUNK);
        if self.file.read_buf(&mut chunk).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        metrics::counter!("hostler_boot_file_sent_bytes_total").increment(chunk.len() as u64);
        Ok(Some((chunk.into(), self)))
    }
}

/// How many are under way, by rack.
#[derive(Clone, Default)]
struct Transfers(Arc<Mutex<HashMap<RackId, usize>>>);

/// One that is under way, until it is dropped.
struct Transfer {
    all: Transfers,
    rack: RackId,
}

impl Transfers {
    /// None: the rack has enough of them.
    fn begin(&self, rack: RackId) -> Option<Transfer> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.entry(rack).or_default();
        (*own < AT_ONCE).then(|| {
            *own += 1;
            Transfer { all: self.clone(), rack }
        })
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = all.get_mut(&self.rack) {
            *own -= 1;
            if *own == 0 {
                all.remove(&self.rack);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_as_lists() {
        let etag = "\"ab\"";
        for (tags, expected) in [
            ("\"ab\"", true),
            ("W/\"ab\"", true),
            ("\"x\", \"ab\"", true),
            ("*", true),
            ("\"x\"", false),
        ] {
            assert_eq!(listed(Some(&HeaderValue::from_static(tags)), etag), expected, "{tags}");
        }
        assert!(!listed(None, etag));
    }

    #[test]
    fn a_rack_has_so_many_transfers_and_others_their_own() {
        let transfers = Transfers::default();
        let [one, other] = [1, 2].map(|number| RackId::new(uuid::Uuid::from_u128(number)));
        let mut held: Vec<_> = (0..AT_ONCE).map(|_| transfers.begin(one).unwrap()).collect();
        assert!(transfers.begin(one).is_none() && transfers.begin(other).is_some());
        held.pop();
        held.push(transfers.begin(one).unwrap());
        assert!(transfers.begin(one).is_none());
        drop(held);
        assert!(transfers.0.lock().unwrap().is_empty());
    }
}
