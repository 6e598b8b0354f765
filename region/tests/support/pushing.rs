//! Boot files into a region, by the service that operators use.

use proto::v1::{
    PushBegin, PushRequest, PushResponse, boot_file_push_client::BootFilePushClient,
    push_request::Part,
};
use region::Region;
use tokio_stream::Stream;
use tonic::Status;

use super::{admin, served_by};

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The whole of it from the beginning on.
pub(crate) fn begin(path: &str, bytes: &[u8]) -> PushBegin {
    PushBegin {
        path: path.into(),
        size: bytes.len() as u64,
        sha256: digest_of(bytes),
        ..PushBegin::default()
    }
}

pub(crate) fn first(begin: PushBegin) -> PushRequest {
    PushRequest { part: Some(Part::Begin(begin)) }
}

pub(crate) fn chunk(bytes: &[u8]) -> PushRequest {
    PushRequest { part: Some(Part::Chunk(bytes.to_vec())) }
}

pub(crate) async fn send(
    region: &Region,
    parts: impl Stream<Item = PushRequest> + Send + 'static,
) -> Result<PushResponse, Status> {
    let mut client = BootFilePushClient::new(served_by(region, Some(admin())));
    client.push(parts).await.map(tonic::Response::into_inner)
}

/// In chunks of 1000 bytes.
pub(crate) async fn push(
    region: &Region,
    path: &str,
    bytes: &[u8],
) -> Result<PushResponse, Status> {
    let chunks = bytes.chunks(1000).map(chunk);
    let parts: Vec<_> = [first(begin(path, bytes))].into_iter().chain(chunks).collect();
    send(region, tokio_stream::iter(parts)).await
}
