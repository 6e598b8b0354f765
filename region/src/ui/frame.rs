//! What stands around every page.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use common::Timestamp;
use proto::describe;

use super::{
    Fault,
    assets::{self, Asset},
    visitor::{Taste, Visitor},
    words::{self, Moment},
};
use crate::{
    auth::{Verb, authorise},
    events::Cursor,
};

pub(super) struct Frame {
    pub(super) title: String,
    pub(super) crumbs: Vec<(String, String)>,
    pub(super) taste: Taste,
    pub(super) user: String,
    pub(super) nav: Vec<Group>,
    /// The command that gives the same answer.
    pub(super) command: String,
    /// The kinds whose changes the page shows; none: it is not live.
    pub(super) topics: String,
    /// How far the log was when the page was made.
    pub(super) cursor: String,
    pub(super) rendered: Moment,
    pub(super) style: &'static Asset,
    pub(super) script: &'static Asset,
    pub(super) icon: &'static Asset,
}

pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) places: Vec<Place>,
}

pub(super) struct Place {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) here: bool,
}

/// Paths by group. One that is a kind's plural is there once the kind is.
const NAVIGATION: &[(&str, &[&str])] = &[
    ("", &["", "events"]),
    ("Network", &["fabrics", "vlans", "subnets", "ranges", "reservations", "leases", "vrfs"]),
    (
        "Machines",
        &[
            "machines",
            "interfaces",
            "boot-attempts",
            "boot-profiles",
            "boot-files",
            "boot-defaults",
        ],
    ),
    ("Edge", &["racks", "rack-tokens"]),
    ("Change", &["apply", "audit"]),
    ("Access", &["users", "tokens"]),
    ("Region", &["system"]),
];

impl Frame {
    /// `crumbs` are name and path, the page itself last.
    pub(super) fn new(visitor: &Visitor, crumbs: &[(&str, &str)], now: Timestamp) -> Self {
        let here = crumbs.first().map_or("", |(_, path)| path.trim_start_matches('/'));
        let title = crumbs.last().map_or("Overview", |(name, _)| name).to_owned();
        Self {
            title,
            crumbs: crumbs.iter().map(|(name, path)| ((*name).into(), (*path).into())).collect(),
            taste: visitor.taste.clone(),
            user: visitor.actor.name.clone(),
            nav: navigation(visitor, here),
            command: String::new(),
            topics: String::new(),
            cursor: String::new(),
            rendered: Moment::clock(now, now),
            style: assets::style(),
            script: assets::script(),
            icon: assets::icon(),
        }
    }

    #[expect(clippy::unused_self, reason = "templates call it on what they have")]
    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    pub(super) fn command(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    pub(super) fn live(mut self, topics: &[&str], cursor: Cursor) -> Self {
        self.topics = topics.join(",");
        self.cursor = cursor.to_string();
        self
    }
}

pub(super) fn navigation(visitor: &Visitor, here: &str) -> Vec<Group> {
    let place = |path: &&str| {
        let name = match *path {
            "" => "Overview".into(),
            other => words::label(other),
        };
        Place { name, path: format!("/{path}"), here: *path == here }
    };
    let group = |(title, paths): &(&'static str, &[&str])| Group {
        title,
        places: paths.iter().filter(|path| may_see(visitor, path)).map(place).collect(),
    };
    NAVIGATION.iter().map(group).filter(|group| !group.places.is_empty()).collect()
}

fn may_see(visitor: &Visitor, path: &str) -> bool {
    match path {
        "" | "audit" | "system" => true,
        "apply" => authorise(&visitor.actor, "apply", Verb::Apply).is_ok(),
        _ => describe::kind(path)
            .is_some_and(|kind| authorise(&visitor.actor, &kind.noun, Verb::List).is_ok()),
    }
}

pub(super) fn may(visitor: &Visitor, verb: Verb, noun: &str) -> bool {
    authorise(&visitor.actor, noun, verb).is_ok()
}

pub(super) fn render(page: &impl Template) -> Result<Response, Fault> {
    render_as(StatusCode::OK, page)
}

pub(super) fn render_as(status: StatusCode, page: &impl Template) -> Result<Response, Fault> {
    match page.render() {
        Ok(html) => Ok((status, Html(html)).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Err(Fault::own())
        }
    }
}
