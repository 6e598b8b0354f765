//! What forms send: preview, create, update, delete. Each is an operation; a refusal shows the form again with what was typed.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use common::Objection;
use prost_reflect::DynamicMessage;
use proto::{describe::meta, masks, v1};

use super::{
    Console, Fault, cells,
    form::{self, Draft, Moved},
    frame::{self, Frame},
    history::{self, Line},
    query::Typed,
    visitor::Visitor,
    words,
};
use crate::operations::{
    OperationError, Tx, audit,
    erased::{AnyResource, Patch},
    machine,
    rack_token::{self, Doorstep},
};
use crate::resources::Namer;

pub(super) type Any = &'static dyn AnyResource;

/// Who sends what to which page.
pub(super) struct Sent {
    pub(super) console: Console,
    pub(super) visitor: Visitor,
    pub(super) resource: Any,
    pub(super) typed: Typed,
}

impl Sent {
    pub(super) fn write(&self, validate_only: bool) -> v1::Write {
        v1::Write {
            request_id: self.typed.word("request_id").into(),
            message: self.typed.word("message").into(),
            expected_revision: self.typed.word("revision").parse().unwrap_or_default(),
            validate_only,
        }
    }

    pub(super) async fn current(&self, key: &str) -> Result<DynamicMessage, Fault> {
        let (resource, key) = (self.resource, key.to_owned());
        let read = self.console.region.read(&self.visitor.actor, move |tx| resource.get(tx, &key));
        Ok(read.await?)
    }

    pub(super) async fn create(self) -> Result<Response, Fault> {
        let (resource, write) = (self.resource, self.write(false));
        let made = match form::message(resource.kind(), &self.typed) {
            Err(objections) => Err(OperationError::Refused(objections)),
            Ok((item, _)) => {
                let region = &self.console.region;
                let door = region.doorstep.clone();
                let mac = self.typed.word("mac").trim().to_owned();
                region
                    .write(&self.visitor.actor, move |tx| match resource.kind().noun.as_str() {
                        "machine" => make_machine(tx, &item, &write, &mac),
                        _ => make(tx, resource, &item, &write, door.as_deref()),
                    })
                    .await
            }
        };
        match made {
            Ok(item) => self.made(&item),
            Err(OperationError::Refused(objections)) => self.form(None, &objections).await,
            Err(error) => Err(error.into()),
        }
    }

    /// A secret is told here and nowhere else, so there is a page to read it from; everything else has its own page.
    fn made(&self, item: &DynamicMessage) -> Result<Response, Fault> {
        let kind = self.resource.kind();
        let secret = kind.fields.iter().find(|field| field.secret);
        let Some(secret) = secret.map(|field| field.show(item)).filter(|text| !text.is_empty())
        else {
            let page = cells::page_of(&kind.noun, &meta(item, "key"));
            return Ok(Redirect::to(&page).into_response());
        };
        let (list, key) = (format!("/{}", kind.plural), meta(item, "key"));
        let crumbs = [(words::label(&kind.plural), list), (key.clone(), String::new())];
        let crumbs: Vec<_> = crumbs.iter().map(|(name, to)| (name.as_str(), to.as_str())).collect();
        let now = self.console.region.clock.now();
        let usage = match kind.noun.as_str() {
            "rack-token" => format!("hostler-rack join {secret}"),
            _ => format!("hostler login --token {secret}"),
        };
        frame::render(&SecretPage {
            frame: Frame::new(&self.visitor, &crumbs, now),
            title: format!("{} {key} is made", words::label(&kind.noun)),
            secret,
            usage,
            page: cells::page_of(&kind.noun, &key),
        })
    }

    pub(super) async fn update(self, key: String) -> Result<Response, Fault> {
        let (resource, write, id) = (self.resource, self.write(false), key.clone());
        let saved = match form::message(resource.kind(), &self.typed) {
            Err(objections) => Err(OperationError::Refused(objections)),
            Ok((item, mask)) => {
                let work = move |tx: &mut Tx<'_>| {
                    resource.update(tx, &id, &Patch { item: &item, mask: &mask }, &write)
                };
                self.console.region.write(&self.visitor.actor, work).await
            }
        };
        match saved {
            Ok(item) => {
                let page = cells::page_of(&resource.kind().noun, &meta(&item, "key"));
                Ok(Redirect::to(&page).into_response())
            }
            Err(error) => self.again(&key, error).await,
        }
    }

    /// The form once more: with objections, or with what moved meanwhile.
    pub(super) async fn again(&self, key: &str, error: OperationError) -> Result<Response, Fault> {
        if let OperationError::Refused(objections) = error {
            let item = self.current(key).await?;
            return self.form(Some(&item), &objections).await;
        }
        let OperationError::Stale { expected, actual, .. } = error else {
            return Err(error.into());
        };
        let item = self.current(key).await?;
        let (moved, opened) = self.moved(&item, expected, actual).await?;
        let (resource, moved) = (self.resource, Some(moved));
        let changed = opened.map(|opened| form::changed(resource.kind(), &self.typed, &opened));
        let typed = changed.as_ref().unwrap_or(&self.typed);
        let draft = Draft { resource, item: Some(&item), typed, objections: &[], moved };
        form::show(&self.console, &self.visitor, draft).await
    }

    /// What was changed since revision `expected`, and how it was then; none where the trail does not go back so far.
    async fn moved(
        &self,
        item: &DynamicMessage,
        expected: i64,
        actual: i64,
    ) -> Result<(Moved, Option<DynamicMessage>), Fault> {
        let object = meta(item, "id").parse().unwrap_or_default();
        let missed = actual.saturating_sub(expected).max(1);
        let read = self
            .console
            .region
            .read(&self.visitor.actor, move |tx| Ok(audit::history(tx.conn, object, missed)?));
        let changes = read.await?;
        let kind = self.resource.kind();
        let now = self.console.region.clock.now();
        let shown = changes.iter().map(|change| history::shown(kind, change, now));
        let by = changes.first().map(|change| change.actor.clone()).unwrap_or_default();
        let lines: Vec<Line> = shown.flat_map(|change| change.lines).collect();
        let first = changes.last().and_then(|change| history::message(kind, &change.before));
        let opened = first.filter(|first| meta(first, "revision") == expected.to_string());
        Ok((Moved { expected, actual, by, lines }, opened))
    }

    /// Back from the preview, with what was typed.
    pub(super) async fn edit(self, key: String) -> Result<Response, Fault> {
        let item = self.current(&key).await?;
        self.form(Some(&item), &[]).await
    }

    async fn form(
        &self,
        item: Option<&DynamicMessage>,
        objections: &[Objection],
    ) -> Result<Response, Fault> {
        let (resource, typed) = (self.resource, &self.typed);
        let draft = Draft { resource, item, typed, objections, moved: None };
        form::show(&self.console, &self.visitor, draft).await
    }

    pub(super) async fn delete(self, key: String) -> Result<Response, Fault> {
        let item = self.current(&key).await?;
        let name = meta(&item, "key");
        if self.typed.word("confirm").trim() != name {
            let objection =
                Objection::new("confirm", self.typed.word("confirm"), format!("must be {name}"));
            return deletion(&self.console, &self.visitor, (self.resource, &item), Some(objection))
                .await;
        }
        let (resource, write) = (self.resource, self.write(false));
        let work = move |tx: &mut Tx<'_>| resource.delete(tx, &key, &write);
        self.console.region.write(&self.visitor.actor, work).await?;
        Ok(Redirect::to(&format!("/{}", resource.kind().plural)).into_response())
    }
}

/// A machine comes with its first interface.
fn make_machine(
    tx: &mut Tx<'_>,
    item: &DynamicMessage,
    write: &v1::Write,
    mac: &str,
) -> Result<DynamicMessage, OperationError> {
    let item = item.transcode_to().expect("a message of this kind, by its descriptor");
    let (item, write, mac) = (Some(item), Some(write.clone()), mac.to_owned());
    let request = v1::CreateMachineRequest { item, write, mac };
    machine::create(tx, &request).map(|made| masks::to_dynamic(&made))
}

/// A join token says where region is, too; everything else is made as any resource is.
fn make(
    tx: &mut Tx<'_>,
    resource: Any,
    item: &DynamicMessage,
    write: &v1::Write,
    door: Option<&Doorstep>,
) -> Result<DynamicMessage, OperationError> {
    let Some(door) = door.filter(|_| resource.kind().noun == "rack-token") else {
        return resource.create(tx, item, write);
    };
    let item = item.transcode_to().expect("a message of this kind, by its descriptor");
    rack_token::create(tx, door, item, write).map(|made| masks::to_dynamic(&made))
}

/// Asks for the name of what shall go; where something names it, says that it will not go.
pub(super) async fn deletion(
    console: &Console,
    visitor: &Visitor,
    (resource, item): (Any, &DynamicMessage),
    objection: Option<Objection>,
) -> Result<Response, Fault> {
    let (kind, key) = (resource.kind(), meta(item, "key"));
    let named = key.clone();
    let read = console.region.read(&visitor.actor, move |tx| resource.named_by(tx, &named));
    let user = |namer: Namer| {
        let page = cells::page_of(namer.noun, &namer.key);
        (format!("{} {}", words::noun(namer.noun), namer.key), page)
    };
    let users = read.await?.into_iter().map(user).collect();
    let (list, page) = (format!("/{}", kind.plural), cells::page_of(&kind.noun, &key));
    let plural = words::label(&kind.plural);
    let crumbs = [(plural.as_str(), list.as_str()), (&key, &page), ("Delete", "")];
    let command = format!("hostler {} delete {key}", kind.spoken());
    let status =
        if objection.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = DeletePage {
        frame: Frame::new(visitor, &crumbs, console.region.clock.now()).command(command),
        noun: words::noun(&kind.noun),
        revision: meta(item, "revision"),
        users,
        objection,
        key,
        page,
    };
    frame::render_as(status, &page)
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage {
    frame: Frame,
    noun: String,
    key: String,
    page: String,
    revision: String,
    users: Vec<(String, String)>,
    objection: Option<Objection>,
}

#[derive(Template)]
#[template(path = "secret.html")]
struct SecretPage {
    frame: Frame,
    title: String,
    secret: String,
    usage: String,
    page: String,
}
