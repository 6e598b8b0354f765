//! Signing in and out, and what a person may know and choose about their own account.

use askama::Template;
use axum::{
    extract::State,
    http::{Extensions, HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use common::{Secret, Timestamp};
use std::net::IpAddr;

use super::{
    Console, Fault,
    assets::{self, Asset},
    frame::{self, Frame},
    query::{Query, Typed},
    visitor::{self, COOKIE, Taste, Visitor, cookie},
    words::Moment,
};
use crate::auth::identity::Peer;
use crate::operations::sign_in::{self, Claim, SignInError};

#[derive(Template)]
#[template(path = "signin.html")]
struct SignInPage {
    taste: Taste,
    style: &'static Asset,
    icon: &'static Asset,
    version: &'static str,
    address: String,
    next: String,
    user: String,
    problem: String,
}

impl SignInPage {
    fn new(taste: Taste, headers: &HeaderMap, next: &str) -> Self {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Self {
            taste,
            style: assets::style(),
            icon: assets::icon(),
            version: env!("CARGO_PKG_VERSION"),
            address: format!("https://{}", host.unwrap_or("this region")),
            next: next.into(),
            user: String::new(),
            problem: String::new(),
        }
    }
}

pub(super) async fn show(
    taste: Taste,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Fault> {
    frame::render(&SignInPage::new(taste, &headers, query.get("next")))
}

pub(super) async fn sign_in(
    State(console): State<Console>,
    taste: Taste,
    headers: HeaderMap,
    extensions: Extensions,
    typed: Typed,
) -> Result<Response, Fault> {
    let claim = match typed.get("token") {
        Some(token) => Claim::Token(Secret::new(token.trim().to_owned())),
        None => Claim::Password {
            name: typed.word("user").trim().to_owned(),
            password: Secret::new(typed.word("password").to_owned()),
        },
    };
    let (region, gate) = (&console.region, &console.gate);
    let signed_in = sign_in::sign_in(region, gate, claim, address(&extensions)).await;
    let problem = match signed_in {
        Ok(fresh) => {
            // Whoever was signed in here before is not any more.
            if let Some(old) = cookie(&headers, COOKIE)
                && let Some(old) = sign_in::find(region, old).await?
            {
                sign_in::sign_out(region, &old).await?;
            }
            let home = Redirect::to(inside(typed.word("next"))).into_response();
            return Ok(with_cookie(home, fresh.expose()));
        }
        Err(SignInError::Operation(error)) => return Err(error.into()),
        Err(problem) => problem,
    };
    let paused = matches!(problem, SignInError::Paused { .. });
    let status = if paused { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::UNAUTHORIZED };
    let page = SignInPage {
        user: typed.word("user").into(),
        problem: capitalised(&problem.to_string()),
        ..SignInPage::new(taste, &headers, typed.word("next"))
    };
    frame::render_as(status, &page)
}

fn capitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// A page of this region, whatever a link said.
fn inside(next: &str) -> &str {
    let path =
        next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    if path { next } else { "/" }
}

/// Where a request came from, if the listener said so.
fn address(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|peer| peer.address.ip().to_canonical())
}

fn with_cookie(mut response: Response, value: &str) -> Response {
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    let line = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}");
    let line = HeaderValue::try_from(line).expect("base64 is good in a header");
    response.headers_mut().append(header::SET_COOKIE, line);
    response
}

pub(super) async fn sign_out(
    State(console): State<Console>,
    visitor: Visitor,
    typed: Typed,
) -> Result<Response, Fault> {
    if typed.word("where") == "everywhere" {
        sign_in::sign_out_everywhere(&console.region, &visitor.session).await?;
    } else {
        sign_in::sign_out(&console.region, &visitor.session).await?;
    }
    Ok(with_cookie(Redirect::to("/sign-in").into_response(), ""))
}

/// Theme and time zone, for those without script too. They go back to where they were.
pub(super) async fn taste(headers: HeaderMap, typed: Typed) -> Response {
    let from = headers.get(header::REFERER).and_then(|from| from.to_str().ok());
    let back = from.and_then(|from| from.split_once("://")).and_then(|(_, rest)| {
        let at = rest.find('/')?;
        Some(inside(&rest[at..]).to_owned())
    });
    let mut response = Redirect::to(back.as_deref().unwrap_or("/")).into_response();
    let theme = typed.get("theme").filter(|theme| ["light", "dark", ""].contains(theme));
    let wanted = [
        ("theme", theme.map(str::to_owned)),
        ("zone", typed.get("zone").map(str::trim).and_then(visitor::zone)),
    ];
    for (name, value) in wanted {
        let Some(value) = value else { continue };
        let line = format!("{name}={value}; Path=/; Secure; SameSite=Lax; Max-Age=31536000");
        let line = HeaderValue::try_from(line).expect("letters and signs of a zone's name");
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    role: String,
    with: String,
    sessions: Vec<SessionLine>,
}

struct SessionLine {
    address: String,
    since: Moment,
    seen: Moment,
    this: bool,
}

pub(super) async fn account(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Fault> {
    let now = console.region.clock.now();
    let rows = sign_in::all(&console.region, &visitor.session).await?;
    let line = |row: crate::db::console_sessions::SessionRow| SessionLine {
        since: Moment::clock(Timestamp::from_micros(row.created_at), now),
        seen: Moment::relative(Timestamp::from_micros(row.seen_at), now),
        this: row.id == visitor.session.id,
        address: row.address,
    };
    frame::render(&AccountPage {
        frame: Frame::new(&visitor, &[("Account", "/account")], now),
        role: format!("{:?}", visitor.actor.role).to_lowercase(),
        with: match visitor.session.holder_kind.as_str() {
            "user" => "a password".into(),
            _ => "an API token".into(),
        },
        sessions: rows.into_iter().map(line).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_no_other_site() {
        for (next, expected) in [
            ("/subnets?filter=a", "/subnets?filter=a"),
            ("", "/"),
            ("//evil.example/x", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
        ] {
            assert_eq!(inside(next), expected, "{next}");
        }
    }
}
