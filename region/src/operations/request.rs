//! Asking a rack something, whichever region process holds its stream: answered once, or not in time; never asked twice.

use common::{
    RackId,
    request::{Answer, Request},
};
use prost::Message;
use proto::{
    convert::rack_link::{answer_from_wire, request_to_wire},
    v1,
};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::OperationError;
use crate::{
    Region,
    db::requests::{self, Outcome},
    dispatch::AskError,
};

/// Should no bell be heard, the row is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

pub async fn ask(
    region: &Region,
    rack: RackId,
    request: Request,
    within: Duration,
) -> Result<Answer, OperationError> {
    match region.racks.ask(rack, request.clone(), within).await {
        // Nothing was sent; perhaps its stream is with another region.
        Err(AskError::Unreachable) => ask_elsewhere(region, rack, &request, within).await,
        answered => Ok(answered?),
    }
}

async fn ask_elsewhere(
    region: &Region,
    rack: RackId,
    request: &Request,
    within: Duration,
) -> Result<Answer, OperationError> {
    let (id, deadline) = (Uuid::now_v7(), Instant::now() + within);
    let request = v1::Request { request: Some(request_to_wire(request)), ..Default::default() };
    let request = request.encode_to_vec();
    let mut bell = region.log.requests();
    let ask = region.db.transaction(move |conn| requests::ask(conn, id, rack, &request, within));
    if !ask.await? {
        return Err(AskError::Unreachable.into());
    }
    region.log.ring_requests();
    // Whatever goes wrong with looking, the row is to go at the deadline.
    let _ = timeout_at(deadline, async {
        loop {
            let seen = region.db.read(move |conn| requests::look(conn, id)).await;
            if !matches!(seen, Ok(Some(Outcome::Asked | Outcome::Taken)) | Err(_)) {
                return;
            }
            let _ = tokio::time::timeout(LOOK, bell.changed()).await;
        }
    })
    .await;
    match region.db.transaction(move |conn| requests::end(conn, id)).await? {
        Some(Outcome::Answered(answer)) => match v1::Answer::decode(answer.as_slice()) {
            Ok(answer) => Ok(answer_from_wire(answer)),
            Err(_) => Err(AskError::Unknown.into()),
        },
        Some(Outcome::Asked | Outcome::Unreachable) => Err(AskError::Unreachable.into()),
        Some(Outcome::Taken | Outcome::Unknown) | None => Err(AskError::Unknown.into()),
    }
}
