//! Boot files on their way in.

use proto::v1::{
    PushBegin, PushRequest, PushResponse, PushStatusRequest, PushStatusResponse,
    boot_file_push_server::BootFilePush, push_request::Part,
};
use runtime::telemetry::Causes;
use std::time::Duration;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Door, status};
use crate::{
    boot_store::{Received, Store, StoreError, Upload},
    operations::{
        OperationError,
        boot_file::{self, Push},
    },
};
use common::Objection;

const LARGEST_CHUNK: usize = 1024 * 1024;
/// Whoever pushes and says nothing for this long keeps others from it no longer.
const SILENCE: Duration = Duration::from_secs(60);

#[tonic::async_trait]
impl BootFilePush for Door {
    async fn push_status(
        &self,
        request: Request<PushStatusRequest>,
    ) -> Result<Response<PushStatusResponse>, Status> {
        let (actor, request) = (Self::actor(&request)?, request.into_inner());
        let content = boot_file::judge_status(&actor, &request.sha256).map_err(status::of)?;
        let received = self.store()?.received(content).await.map_err(not_stored)?;
        let (received, complete) = match received {
            Received::Part(received) => (received, false),
            Received::Whole(size) => (size, true),
        };
        Ok(Response::new(PushStatusResponse { received, complete }))
    }

    async fn push(
        &self,
        request: Request<Streaming<PushRequest>>,
    ) -> Result<Response<PushResponse>, Status> {
        let (actor, mut from) = (Self::actor(&request)?, request.into_inner());
        let push = boot_file::judge_push(&actor, begin(&mut from).await?).map_err(status::of)?;
        if !push.write.validate_only {
            receive(self.store()?, &push, &mut from).await?;
        }
        let done = self.region.write_at(&actor, move |tx| boot_file::name(tx, &push)).await;
        status::written(done)
    }
}

impl Door {
    fn store(&self) -> Result<&Store, Status> {
        let store = self.region.boot_files.as_ref();
        store.ok_or_else(|| Status::failed_precondition("this region keeps no boot files"))
    }
}

async fn begin(from: &mut Streaming<PushRequest>) -> Result<PushBegin, Status> {
    match next(from).await?.and_then(|message| message.part) {
        Some(Part::Begin(begin)) => Ok(begin),
        Some(Part::Chunk(_)) | None => {
            Err(refused("begin", "", "must be the first message of a push"))
        }
    }
}

async fn next(from: &mut Streaming<PushRequest>) -> Result<Option<PushRequest>, Status> {
    let message = tokio::time::timeout(SILENCE, from.message()).await;
    message.map_err(|_| {
        Status::deadline_exceeded("nothing came for 60 s; push again to go on from there")
    })?
}

/// Until the content is there, by this push or another.
async fn receive(
    store: &Store,
    push: &Push,
    from: &mut Streaming<PushRequest>,
) -> Result<(), Status> {
    let size = push.size.bytes();
    let claim = store.claim(push.sha256).await.map_err(not_stored)?;
    if let Received::Whole(there) = claim.received() {
        if there != size {
            let rule = format!("must be {there}: so many bytes have this SHA-256");
            return Err(refused("size", size, &rule));
        }
        claim.use_again().await.map_err(not_stored)?;
        return claim.release().await.map_err(not_stored);
    }
    let resumed = claim.resume(push.offset, size).await;
    let mut upload = resumed.map_err(|error| not_taken(push, error))?;
    if let Err(status) = take_in(&mut upload, size, from).await {
        // A push that broke goes on from here.
        upload.keep().await.map_err(not_stored)?;
        return Err(status);
    }
    upload.finish().await.map_err(|error| not_taken(push, error))?;
    tracing::info!(content = %push.sha256, size, "boot file received");
    Ok(())
}

async fn take_in(
    upload: &mut Upload,
    size: u64,
    from: &mut Streaming<PushRequest>,
) -> Result<(), Status> {
    while let Some(message) = next(from).await? {
        let Some(Part::Chunk(chunk)) = message.part else {
            return Err(refused("chunk", "", "must be given: begin is only the first message"));
        };
        if chunk.len() > LARGEST_CHUNK {
            return Err(refused(
                "chunk",
                format!("{} bytes", chunk.len()),
                "must be at most 1 MiB",
            ));
        }
        if upload.at() + chunk.len() as u64 > size {
            let rule =
                format!("is less than what came: {} bytes", upload.at() + chunk.len() as u64);
            return Err(refused("size", size, &rule));
        }
        upload.write(&chunk).await.map_err(not_stored)?;
        metrics::counter!("hostler_boot_file_pushed_bytes_total").increment(chunk.len() as u64);
    }
    if upload.at() < size {
        let rule = format!("is more than what came: {} bytes", upload.at());
        return Err(refused("size", size, &rule));
    }
    Ok(())
}

fn refused(field: &str, value: impl std::fmt::Display, rule: &str) -> Status {
    status::of(OperationError::Refused(vec![Objection::new(field, value, rule)]))
}

/// Where it may be the push that is wrong.
fn not_taken(push: &Push, error: StoreError) -> Status {
    match error {
        StoreError::Gap { received } => {
            let rule = format!("must be at most {received}: so many bytes of it are here");
            refused("offset", push.offset, &rule)
        }
        StoreError::WrongDigest { found } => {
            let rule = format!("is not the digest of what came: that is {found}");
            refused("sha256", push.sha256, &rule)
        }
        error @ (StoreError::NoRoom { .. } | StoreError::Full { .. } | StoreError::Io { .. }) => {
            not_stored(error)
        }
    }
}

fn not_stored(error: StoreError) -> Status {
    match &error {
        StoreError::NoRoom { .. } | StoreError::Full { .. } => {
            tracing::error!(error = %Causes(&error), "a boot file cannot be stored");
            let mut details = ErrorDetails::new();
            details.set_error_info("DISK_FULL", "hostler", std::collections::HashMap::new());
            let text = format!("{error}; make room there and push again");
            Status::with_error_details(Code::ResourceExhausted, text, details)
        }
        StoreError::Io { .. } | StoreError::WrongDigest { .. } | StoreError::Gap { .. } => {
            tracing::error!(error = %Causes(&error), "a boot file cannot be stored");
            Status::internal("the region met an error of its own; its log has the details")
        }
    }
}
