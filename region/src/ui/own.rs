//! Verbs that one kind alone has: a lease is released, a rack revoked, a user given a password.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use common::Objection;
use prost_reflect::DynamicMessage;
use proto::{describe::meta, v1};

use super::{
    Console, Fault, cells,
    frame::{self, Frame},
    save::Sent,
    visitor::Visitor,
    words,
};
use crate::{
    auth::Verb,
    operations::{OperationError, lease, rack, user},
};

pub(super) struct Own {
    /// In addresses.
    pub(super) name: &'static str,
    pub(super) noun: &'static str,
    pub(super) verb: Verb,
    pub(super) label: &'static str,
    /// Before what it is done to.
    title: &'static str,
    /// What it does, before it is done.
    pub(super) about: &'static str,
    /// What is typed: the name, so that nobody means another, or a secret.
    asks: Asks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Name,
    Password,
}

pub(super) const OWN: &[Own] = &[
    Own {
        name: "release",
        noun: "lease",
        verb: Verb::Release,
        label: "Release",
        title: "Release",
        about: "The rack gives the address to others again. The client is not told: it goes on with the address until it renews.",
        asks: Asks::Name,
    },
    Own {
        name: "revoke",
        noun: "rack",
        verb: Verb::Revoke,
        label: "Revoke",
        title: "Revoke",
        about: "Its stream ends at once and its certificates are refused from then on. It goes on serving what it has: stop it, or give its VLANs to another rack first.",
        asks: Asks::Name,
    },
    Own {
        name: "set-password",
        noun: "user",
        verb: Verb::SetPassword,
        label: "Set password",
        title: "Set password of",
        about: "The user is signed out everywhere, and signs in with this one from then on.",
        asks: Asks::Password,
    },
];

pub(super) fn find(noun: &str, name: &str) -> Option<&'static Own> {
    OWN.iter().find(|own| own.noun == noun && own.name == name)
}

#[derive(Template)]
#[template(path = "own.html")]
struct OwnPage {
    frame: Frame,
    own: &'static Own,
    noun: String,
    key: String,
    page: String,
    objections: Vec<Objection>,
}

impl Own {
    /// It cannot be taken back.
    pub(super) fn is_final(&self) -> bool {
        self.asks == Asks::Name
    }
}

impl OwnPage {
    fn asks_password(&self) -> bool {
        self.own.asks == Asks::Password
    }
}

pub(super) fn ask(
    console: &Console,
    visitor: &Visitor,
    own: &'static Own,
    item: &DynamicMessage,
    objections: Vec<Objection>,
) -> Result<Response, Fault> {
    let key = meta(item, "key");
    let kind = super::resource(own.noun).kind();
    let (list, page) = (format!("/{}", kind.plural), cells::page_of(own.noun, &key));
    let plural = words::label(&kind.plural);
    let crumbs = [(plural.as_str(), list.as_str()), (&key, &page), (own.label, "")];
    let command = format!("hostler {} {} {key}", own.noun, own.name);
    let status =
        if objections.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = OwnPage {
        frame: Frame::new(visitor, &crumbs, console.region.clock.now()).command(command),
        own,
        noun: words::noun(own.noun),
        page,
        objections,
        key,
    };
    frame::render_as(status, &page)
}

pub(super) async fn run(sent: Sent, own: &'static Own, key: String) -> Result<Response, Fault> {
    let (resource, asked) = (sent.resource, key.clone());
    let region = &sent.console.region;
    let item = region.read(&sent.visitor.actor, move |tx| resource.get(tx, &asked)).await?;
    let name = meta(&item, "key");
    let confirmed = sent.typed.word("confirm").trim() == name;
    let done = if own.asks == Asks::Name && !confirmed {
        let typed = sent.typed.word("confirm");
        Err(OperationError::Refused(vec![Objection::new(
            "confirm",
            typed,
            format!("must be {name}"),
        )]))
    } else {
        perform(&sent, own, key).await
    };
    match done {
        Ok(()) => Ok(Redirect::to(&cells::page_of(own.noun, &name)).into_response()),
        Err(OperationError::Refused(objections)) => {
            ask(&sent.console, &sent.visitor, own, &item, objections)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn perform(sent: &Sent, own: &Own, key: String) -> Result<(), OperationError> {
    let (region, actor) = (&sent.console.region, &sent.visitor.actor);
    let message = sent.typed.word("message").to_owned();
    let write = v1::Write { message, ..v1::Write::default() };
    match own.noun {
        "lease" => lease::release(region, actor, &key, &write).await,
        "rack" => region.write(actor, move |tx| rack::revoke(tx, &key, &write)).await.map(drop),
        _ => {
            let password = sent.typed.word("password").to_owned();
            let request = v1::SetPasswordRequest { id: key, password, write: Some(write) };
            user::set_password(region, actor, request).await.map(drop)
        }
    }
}
