//! Pages over the same operations as the API. These serve every kind of resource; a page that deserves more has a file of its own here.

mod actions;
mod assets;
mod badge;
mod boots;
#[expect(unused_qualifications, reason = "askama writes some for an enum")]
mod cells;
mod dashboard;
mod detail;
mod eventlog;
mod export;
mod fault;
mod find;
mod form;
mod frame;
mod guard;
mod history;
mod list;
mod live;
mod machines;
mod map;
mod options;
mod own;
mod preview;
mod query;
mod racks;
mod save;
mod signin;
mod subnet;
mod system;
mod table;
mod tally;
mod trail;
mod visitor;
mod waterfall;
mod words;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path},
    http::request::Parts,
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use std::collections::HashMap;
use tower_http::compression::CompressionLayer;

use crate::{
    Region,
    operations::{erased::AnyResource, sign_in::Gate, usage::Counted},
    resources,
};
use fault::Fault;
use form::Draft;
use live::Audience;
use query::{Query, Typed};
use save::Sent;
use tally::Tally;
use visitor::Visitor;

/// What every page needs.
#[derive(Clone)]
struct Console {
    region: Region,
    gate: Gate,
    counted: Counted,
    tally: Tally,
    audience: Audience,
}

/// Nothing that a person types into a form is longer.
const LONGEST_FORM: usize = 256 * 1024;

/// Stands beside the API on the operators' listener, and has no fallback of its own.
pub fn routes(region: Region) -> Router {
    let tally = Tally::spawn(&region);
    let (gate, counted) = (Gate::default(), Counted::default());
    Router::new()
        .route("/", get(dashboard::show))
        .route("/sign-in", get(signin::show).post(signin::sign_in))
        .route("/sign-out", post(signin::sign_out))
        .route("/account", get(signin::account))
        .route("/taste", post(signin::taste))
        .route("/events", get(eventlog::show))
        .route("/racks", get(racks::list))
        .route("/audit", get(trail::show))
        .route("/system", get(system::show))
        .route("/find", get(find::show))
        .route("/live", get(live::events))
        .route("/assets/{name}", get(assets::serve))
        .route("/{plural}", get(list_or_blank).post(create))
        .route("/{plural}/{*key}", get(detail_or_edit).post(change))
        .layer(middleware::from_fn(guard::guard))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(CompressionLayer::new())
        .with_state(Console { region, gate, counted, tally, audience: Audience::default() })
}

/// A request to a page of one kind of resource, and of one resource when there is a key.
struct Asked {
    console: Console,
    visitor: Visitor,
    resource: &'static dyn AnyResource,
    key: String,
    query: Query,
}

impl FromRequestParts<Console> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, console).await?;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, console).await;
        let Path(mut path) = path.map_err(IntoResponse::into_response)?;
        let mut part = |name| path.remove(name).unwrap_or_default();
        let (plural, key) = (part("plural"), part("key"));
        let resource = of(&plural).map_err(IntoResponse::into_response)?;
        let Ok(query) = Query::from_request_parts(parts, console).await;
        Ok(Self { console: console.clone(), visitor, resource, key, query })
    }
}

impl Asked {
    fn sends(self, typed: Typed) -> Sent {
        let Self { console, visitor, resource, .. } = self;
        Sent { console, visitor, resource, typed }
    }

    fn no_page(&self) -> Fault {
        Fault::no_page(&self.resource.kind().plural)
    }
}

async fn list_or_blank(asked: Asked) -> Result<Response, Fault> {
    let Asked { console, visitor, resource, query, .. } = asked;
    match query.get("do") {
        "create" if resource.kind().has("Create") => {
            let typed = Typed::of(&query);
            let draft = Draft { resource, item: None, typed: &typed, objections: &[], moved: None };
            form::show(&console, &visitor, draft).await
        }
        _ => list::show(console, visitor, query, resource).await,
    }
}

async fn detail_or_edit(asked: Asked) -> Result<Response, Fault> {
    let Asked { console, visitor, resource, key, query } = asked;
    let noun = resource.kind().noun.as_str();
    let verb = query.get("do").to_owned();
    let own = own::find(noun, &verb);
    if own.is_none() && !matches!(verb.as_str(), "update" | "delete") {
        return match noun {
            "subnet" => subnet::show(console, visitor, query, key).await,
            "rack" => racks::detail(console, visitor, query, (resource, key)).await,
            "machine" => machines::show(console, visitor, query, key).await,
            "boot-attempt" => boots::detail(console, visitor, key).await,
            _ => detail::show(console, visitor, query, (resource, key)).await,
        };
    }
    let item = console.region.read(&visitor.actor, move |tx| resource.get(tx, &key)).await?;
    if let Some(own) = own {
        return own::ask(&console, &visitor, own, &item, Vec::new());
    }
    if verb == "delete" {
        return save::deletion(&console, &visitor, (resource, &item), None).await;
    }
    let typed = Typed::default();
    let draft = Draft { resource, item: Some(&item), typed: &typed, objections: &[], moved: None };
    form::show(&console, &visitor, draft).await
}

async fn create(asked: Asked, typed: Typed) -> Result<Response, Fault> {
    if !asked.resource.kind().has("Create") {
        return Err(asked.no_page());
    }
    asked.sends(typed).create().await
}

async fn change(asked: Asked, typed: Typed) -> Result<Response, Fault> {
    let (kind, key) = (asked.resource.kind(), asked.key.clone());
    let verb = asked.query.get("do").to_owned();
    if let Some(own) = own::find(&kind.noun, &verb) {
        return own::run(asked.sends(typed), own, key).await;
    }
    match verb.as_str() {
        "preview" if kind.has("Update") => asked.sends(typed).preview(key).await,
        "update" if kind.has("Update") => asked.sends(typed).update(key).await,
        "edit" if kind.has("Update") => asked.sends(typed).edit(key).await,
        "delete" if kind.has("Delete") => asked.sends(typed).delete(key).await,
        _ => Err(asked.no_page()),
    }
}

/// By plural: that is what addresses have.
fn of(plural: &str) -> Result<&'static dyn AnyResource, Fault> {
    let found = resources::by_noun(plural).filter(|resource| resource.kind().plural == plural);
    found.ok_or_else(|| Fault::no_page(plural))
}

/// One that the pages themselves name.
fn resource(noun: &'static str) -> &'static dyn AnyResource {
    resources::by_noun(noun).expect("the table has every kind that a page is written for")
}
