//! Requests of other region processes for the racks whose streams are here: each is taken up by one process, once, and only while its stream lasts.

use common::request::Answer;
use prost::Message;
use proto::{
    convert::rack_link::{answer_to_wire, request_from_wire},
    v1,
};
use runtime::telemetry::Causes;
use std::{collections::HashSet, time::Duration};
use uuid::Uuid;

use crate::{
    Region,
    db::{
        Conn, DbError,
        requests::{self, Outcome, Taken},
    },
    dispatch::AskError,
};

/// Should no bell be heard, the table is looked at this often.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn spawn(region: &Region) {
    let (own, shutdown) = (region.clone(), region.tasks.shutdown());
    region.tasks.spawn("request relay", async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run(&own) => {}
        }
    });
}

async fn run(region: &Region) {
    let mut bell = region.log.requests();
    loop {
        bell.mark_unchanged();
        match take(region).await {
            Ok(taken) => taken.into_iter().for_each(|taken| {
                region.tasks.spawn_brief("relayed request", carry_out(region.clone(), taken));
            }),
            Err(error) => {
                tracing::debug!(error = %Causes(&error), "requests of other regions cannot be read");
            }
        }
        let _ = tokio::time::timeout(LOOK, bell.changed()).await;
    }
}

/// Nobody else has these, and nobody will.
async fn take(region: &Region) -> Result<Vec<Taken>, DbError> {
    let own: HashSet<Uuid> = region.racks.sessions().into_iter().map(|(_, id)| id).collect();
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let mut waiting = region.db.read(requests::waiting).await?;
    waiting.retain(|waiting| own.contains(&waiting.session));
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let take = move |conn: &mut Conn| {
        let mut taken = Vec::new();
        for waiting in &waiting {
            let within = requests::take(conn, waiting.id)?;
            taken.extend(within.map(|within| Taken { within, ..waiting.clone() }));
        }
        Ok(taken)
    };
    region.db.transaction(take).await
}

async fn carry_out(region: Region, taken: Taken) {
    let id = taken.id;
    let outcome = outcome(&region, taken).await;
    let answer = move |conn: &mut Conn| requests::answer(conn, id, &outcome);
    match region.db.transaction(answer).await {
        Ok(()) => region.log.ring_requests(),
        // Whoever asked learns at the deadline that nothing is known.
        Err(error) => tracing::warn!(error = %Causes(&error), "an answer could not be passed on"),
    }
}

async fn outcome(region: &Region, taken: Taken) -> Outcome {
    let answered = |answer: &Answer| Outcome::Answered(answer_to_wire(0, answer).encode_to_vec());
    let Ok(wire) = v1::Request::decode(taken.request.as_slice()) else {
        return answered(&Answer::Refused("the request cannot be read".into()));
    };
    // A newer region may ask what this one does not know.
    let request = match request_from_wire(wire.request) {
        Ok(request) => request,
        Err(refused) => return answered(&Answer::Refused(refused.to_string())),
    };
    let session = region.racks.session(taken.rack).filter(|own| own.id == taken.session);
    let Some(session) = session else { return Outcome::Unreachable };
    match session.ask(request, taken.within).await {
        Ok(answer) => answered(&answer),
        Err(AskError::Unreachable) => Outcome::Unreachable,
        Err(AskError::Unknown) => Outcome::Unknown,
    }
}
