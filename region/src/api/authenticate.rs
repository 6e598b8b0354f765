//! Who an operator is: the token that came with the request, found by its hash.

use axum::{
    body::Body,
    extract::State,
    http::{Request, Response, header::AUTHORIZATION},
    middleware::Next,
};
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tonic::Status;

use super::status;
use crate::{
    Region,
    auth::{Actor, secret},
    events::Log,
    operations::token,
};

#[derive(Clone)]
pub struct Authenticator {
    region: Region,
    known: Tokens,
}

/// By hash.
type Tokens = Arc<Mutex<HashMap<[u8; 32], Known>>>;

struct Known {
    actor: Actor,
    until: Instant,
}

/// How long a token that was found is believed without another look, unless an event says that tokens changed.
const BELIEVED: Duration = Duration::from_secs(60);
/// Tokens that are used at once; with more, the oldest are looked up again.
const KEPT: usize = 1024;
/// Answered to anybody: load balancers have no token.
const OPEN: &str = "/grpc.health.v1.Health/";

impl Authenticator {
    pub fn spawn(region: &Region) -> Self {
        let own = Self { region: region.clone(), known: Arc::default() };
        let (known, log, shutdown) =
            (own.known.clone(), region.log.clone(), region.tasks.shutdown());
        region.tasks.spawn("token events", async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                never = forget_on_change(&log, &known) => match never {},
            }
        });
        own
    }

    async fn actor(&self, hash: [u8; 32]) -> Result<Actor, Status> {
        if let Some(actor) = self.believed(&hash) {
            return Ok(actor);
        }
        let found = token::use_token(&self.region, hash).await.map_err(status::of)?;
        let actor = found.ok_or_else(|| {
            Status::unauthenticated(
                "this token is unknown here, was deleted or has expired; get a new one from an admin (hostler token create) and log in with it (hostler login)",
            )
        })?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(hash, Known { actor: actor.clone(), until: Instant::now() + BELIEVED });
        Ok(actor)
    }

    fn believed(&self, hash: &[u8; 32]) -> Option<Actor> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let own = known.get(hash)?;
        (Instant::now() < own.until).then(|| own.actor.clone())
    }
}

async fn forget_on_change(log: &Log, known: &Tokens) -> Infallible {
    loop {
        if let Ok(mut follower) = log.follow_from_now().await {
            known.lock().unwrap_or_else(PoisonError::into_inner).clear();
            while let Ok(event) = follower.next().await {
                if event.kind == "token" {
                    known.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

const RETRY: Duration = Duration::from_secs(1);

fn bearer(request: &Request<Body>) -> Result<&str, Status> {
    let sent = request.headers().get(AUTHORIZATION).ok_or_else(|| {
        Status::unauthenticated(
            "send a token: log in with hostler login, or set the header authorization: Bearer TOKEN",
        )
    })?;
    let text = sent.to_str().unwrap_or_default();
    let (scheme, token) = text.split_once(' ').unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        return Ok(token.trim());
    }
    Err(Status::unauthenticated("the header authorization must be: Bearer TOKEN"))
}

/// In front of everything that operators ask.
pub async fn authenticate(
    State(own): State<Authenticator>,
    mut request: Request<Body>,
    next: Next,
) -> Response<Body> {
    if request.uri().path().starts_with(OPEN) {
        return next.run(request).await;
    }
    let hash = bearer(&request).map(secret::hash);
    let actor = match hash {
        Ok(hash) => own.actor(hash).await,
        Err(status) => Err(status),
    };
    match actor {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(status) => status.into_http(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_read_and_what_is_wrong_is_said() {
        for (header, expected) in [
            (Some("Bearer abc"), Ok("abc")),
            (Some("bearer  abc "), Ok("abc")),
            (Some("Basic abc"), Err("must be: Bearer TOKEN")),
            (Some("Bearer "), Err("must be: Bearer TOKEN")),
            (None, Err("hostler login")),
        ] {
            let mut request = Request::builder();
            if let Some(header) = header {
                request = request.header(AUTHORIZATION, header);
            }
            let request = request.body(Body::empty()).unwrap();
            match (bearer(&request), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(status), Err(part)) => assert!(status.message().contains(part), "{status}"),
                (found, _) => panic!("{header:?}: {found:?}"),
            }
        }
    }
}
