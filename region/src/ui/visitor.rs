//! Who looks at a page, and how they like it. Every page but the sign-in needs a session.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use std::convert::Infallible;

use super::{Console, Fault, words::encoded};
use crate::{
    auth::Actor,
    operations::sign_in::{self, Session},
};

/// The prefix makes browsers refuse it without Secure, with a domain, or from another path.
pub(super) const COOKIE: &str = "__Host-session";

#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) actor: Actor,
    pub(super) session: Session,
    pub(super) taste: Taste,
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let cookie = cookie(&parts.headers, COOKIE);
        let found = match cookie {
            Some(cookie) => sign_in::find(&console.region, cookie).await,
            None => Ok(None),
        };
        match found {
            Ok(Some(session)) => {
                Ok(Self { actor: session.actor.clone(), session, taste: Taste::of(&parts.headers) })
            }
            Ok(None) => Err(turned_away(parts)),
            Err(error) => Err(Fault::from(error).into_response()),
        }
    }
}

fn turned_away(parts: &Parts) -> Response {
    let wanted = parts.uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    if parts.method == Method::GET && parts.uri.path() != "/live" {
        let next = if wanted == "/" { String::new() } else { format!("?next={}", encoded(wanted)) };
        return Redirect::to(&format!("/sign-in{next}")).into_response();
    }
    let said = "Nothing was changed: your session is over. Sign in and send it again.";
    Fault::new(StatusCode::UNAUTHORIZED, "Signed out", said).into_response()
}

/// What the browser remembers for the person. No secret, and any value is harmless.
#[derive(Clone, Debug, Default)]
pub(super) struct Taste {
    /// light, dark, or empty: as the system has it.
    pub(super) theme: &'static str,
    /// In which the script writes times: empty is UTC, as region itself does; "local" the browser's; else a name of the time zone database.
    pub(super) zone: String,
}

impl Taste {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            theme: match cookie(headers, "theme") {
                Some("light") => "light",
                Some("dark") => "dark",
                _ => "",
            },
            zone: cookie(headers, "zone").and_then(zone).unwrap_or_default(),
        }
    }
}

impl Taste {
    /// What the footer calls it.
    pub(super) fn zone_name(&self) -> &str {
        match self.zone.as_str() {
            "" => "UTC",
            "local" => "your zone",
            name => name,
        }
    }
}

/// `Europe/Oslo`; None: nothing that a zone could be called. UTC is the empty one.
pub(super) fn zone(typed: &str) -> Option<String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "/_+-".contains(letter);
    match typed {
        "" | "utc" | "UTC" => Some(String::new()),
        name if name.len() <= 64 && name.chars().all(letter) => Some(name.to_owned()),
        _ => None,
    }
}

impl<S: Sync> FromRequestParts<S> for Taste {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(other, _)| other.trim() == name).map(|(_, value)| value.trim())
}
