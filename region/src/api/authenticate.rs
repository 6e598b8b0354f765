//! Who an operator is: the token that came with the request, found by its hash.

use axum::{
    body::Body,
    extract::State,
    http::{Request, Response, header::AUTHORIZATION},
    middleware::Next,
};
use common::Timestamp;
use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;
use tonic::{Code, Status};

use super::{status, while_good};
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

/// Tokens that were found, by hash. Counts how often that was forgotten, and rings.
#[derive(Clone, Default)]
struct Tokens {
    found: Arc<Mutex<HashMap<[u8; 32], Known>>>,
    forgotten: watch::Sender<u64>,
}

struct Known {
    actor: Actor,
    until: Timestamp,
}

/// How long a token that was found is believed without another look, unless an event says that tokens changed.
const BELIEVED_MICROS: i64 = 60_000_000;
/// Tokens that are used at once; with more, the oldest are looked up again.
const KEPT: usize = 1024;
/// Answered to anybody: load balancers have no token.
const OPEN: &str = "/grpc.health.v1.Health/";
/// How often an open stream's token is looked at when nothing was heard of it: it may have expired.
const LOOK: Duration = Duration::from_secs(2);

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        self.lock().clear();
        self.forgotten.send_modify(|count| *count += 1);
    }

    fn believed(&self, hash: &[u8; 32], now: Timestamp) -> Option<Actor> {
        let found = self.lock();
        found.get(hash).filter(|known| now < known.until).map(|known| known.actor.clone())
    }

    /// `seen` is the count before the token was read: what was read before something changed may be what has changed.
    fn keep(&self, seen: u64, hash: [u8; 32], known: Known) {
        let mut found = self.lock();
        if *self.forgotten.borrow() != seen {
            return;
        }
        if found.len() >= KEPT {
            found.clear();
        }
        found.insert(hash, known);
    }
}

impl Authenticator {
    pub fn spawn(region: &Region) -> Self {
        let own = Self { region: region.clone(), known: Tokens::default() };
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
        let now = self.region.clock.now();
        if let Some(actor) = self.known.believed(&hash, now) {
            return Ok(actor);
        }
        let seen = *self.known.forgotten.borrow();
        let found = token::use_token(&self.region, hash).await.map_err(status::of)?;
        let token::Good { actor, expires_at } = found.ok_or_else(|| {
            Status::unauthenticated(
                "this token is unknown here, was deleted or has expired; get a new one from an admin (hostler token create) and log in with it (hostler login)",
            )
        })?;
        let most = now.shifted(BELIEVED_MICROS);
        let until = expires_at.map_or(most, |end| end.min(most));
        self.known.keep(seen, hash, Known { actor: actor.clone(), until });
        Ok(actor)
    }

    /// Once the token is no longer good. A database that is away says nothing of it.
    async fn ended(self, hash: [u8; 32], mut forgotten: watch::Receiver<u64>) -> Status {
        loop {
            let _ = tokio::time::timeout(LOOK, forgotten.changed()).await;
            match self.actor(hash).await {
                Err(status) if status.code() == Code::Unauthenticated => return status,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

async fn forget_on_change(log: &Log, known: &Tokens) -> Infallible {
    loop {
        if let Ok(mut follower) = log.follow_from_now().await {
            known.forget();
            while let Ok(event) = follower.next().await {
                if event.kind == "token" {
                    known.forget();
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
    let hash = match bearer(&request).map(secret::hash) {
        Ok(hash) => hash,
        Err(status) => return status.into_http(),
    };
    // Before the token is read, so that nothing that becomes of it later is missed.
    let forgotten = own.known.forgotten.subscribe();
    match own.actor(hash).await {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            let streams = while_good::is_stream(request.uri().path());
            let answer = next.run(request).await;
            match streams {
                true => answer.map(|body| while_good::limit(body, own.ended(hash, forgotten))),
                false => answer,
            }
        }
        Err(status) => status.into_http(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept() {
        let tokens = Tokens::default();
        let (now, hash) = (Timestamp::from_seconds(100), [7; 32]);
        let known = || Known {
            actor: Actor { name: "ci".into(), role: crate::auth::Role::Admin },
            until: Timestamp::from_seconds(160),
        };
        let seen = *tokens.forgotten.borrow();
        tokens.keep(seen, hash, known());
        assert!(tokens.believed(&hash, now).is_some());
        assert!(tokens.believed(&hash, Timestamp::from_seconds(160)).is_none());
        tokens.forget();
        tokens.keep(seen, hash, known());
        assert!(tokens.believed(&hash, now).is_none());
    }

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
