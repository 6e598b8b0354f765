//! Pages over the same operations as the API. These serve every kind of resource; a page that deserves more has a file of its own here.

mod actions;
mod apply;
mod assets;
mod badge;
mod boots;
mod bulk;
mod bulletin;
#[expect(unused_qualifications, reason = "askama writes some for an enum")]
mod cells;
mod dashboard;
mod detail;
mod elsewhere;
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
mod multipart;
mod options;
mod outbox;
mod own;
mod preview;
mod query;
mod racks;
mod room;
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
    routing::{MethodRouter, get, post},
};
use std::collections::HashMap;
use tower_http::compression::CompressionLayer;

use crate::{
    Region,
    operations::{erased::AnyResource, sign_in::Gate, usage::Counted},
    resources,
};
use bulletin::Bulletin;
pub use elsewhere::{ELSEWHERE, Elsewhere};
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
    bulletin: Bulletin,
}

/// Nothing that a person types into a form is longer.
const LONGEST_FORM: usize = 256 * 1024;

/// Stands beside the API on the operators' listener, and has no fallback of its own.
pub fn routes(region: Region) -> Router {
    let (tally, bulletin) = (Tally::spawn(&region), Bulletin::spawn(&region));
    let (gate, counted) = (Gate::default(), Counted::default());
    let places = PLACES.iter().map(|(path, place)| (*path, place()));
    places
        .fold(Router::new(), |router, (path, place)| router.route(path, place))
        .layer(middleware::from_fn(guard::guard))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(CompressionLayer::new())
        .with_state(Console {
            region,
            gate,
            counted,
            tally,
            audience: Audience::default(),
            bulletin,
        })
}

/// What is where.
type Place = fn() -> MethodRouter<Console>;

const PLACES: &[(&str, Place)] = &[
    ("/", || get(dashboard::show)),
    ("/sign-in", || get(signin::show).post(signin::sign_in)),
    ("/sign-out", || post(signin::sign_out)),
    ("/account", || get(signin::account)),
    ("/taste", || post(signin::taste)),
    ("/events", || get(eventlog::show)),
    ("/racks", || get(racks::list)),
    ("/audit", || get(trail::show)),
    ("/apply", || {
        get(apply::show).post(apply::send).layer(DefaultBodyLimit::max(apply::LONGEST_FILE))
    }),
    ("/system", || get(system::show)),
    ("/find", || get(find::show)),
    ("/live", || get(live::events)),
    ("/assets/{name}", || get(assets::serve)),
    ("/{plural}", || get(list_or_blank).post(create_or_run)),
    ("/{plural}/{*key}", || get(detail_or_edit).post(change)),
];

/// What people do not look at: they send to it, or a page reads it.
const NO_PAGES: &[&str] = &["/sign-out", "/taste", "/live", "/assets/{name}"];

/// Every page that there is, by its address; a star stands for the key of a resource. For tests that must forget none.
pub fn pages() -> Vec<String> {
    let places = PLACES.iter().map(|(path, _)| *path);
    let alone = places.filter(|path| !NO_PAGES.contains(path) && !path.contains('{'));
    let of_kinds = resources::TABLE.iter().flat_map(|resource| {
        let kind = resource.kind();
        let list = format!("/{}", kind.plural);
        let page = format!("{list}/*");
        let change = |verb: &str| format!("{page}?do={verb}");
        let shared = [
            Some(list.clone()),
            Some(page.clone()),
            kind.has("Create").then(|| format!("{list}?do=create")),
            kind.has("Update").then(|| change("update")),
            kind.has("Delete").then(|| change("delete")),
        ];
        let own = own::OWN.iter().filter(|own| own.noun == kind.noun);
        shared.into_iter().flatten().chain(own.map(|own| change(own.name))).collect::<Vec<_>>()
    });
    let mut pages: Vec<String> = alone.map(str::to_owned).chain(of_kinds).collect();
    pages.sort();
    pages.dedup();
    pages
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
    if let Some(own) = bulk::find(asked.resource.kind(), asked.query.get("do")) {
        return bulk::ask(asked, own).await;
    }
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

async fn create_or_run(asked: Asked, typed: Typed) -> Result<Response, Fault> {
    if let Some(own) = bulk::find(asked.resource.kind(), asked.query.get("do")) {
        return bulk::run(asked, own, typed).await;
    }
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
