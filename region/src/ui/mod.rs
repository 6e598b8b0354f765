//! Pages over the same operations as the API. These serve every kind of resource; a page that deserves more has a file of its own here.

mod assets;
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
mod map;
mod options;
mod own;
mod query;
mod racks;
mod save;
mod signin;
mod subnet;
mod system;
mod table;
mod trail;
mod visitor;
mod words;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    middleware,
    response::Response,
    routing::{get, post},
};
use tower_http::compression::CompressionLayer;

use crate::{
    Region,
    operations::{erased::AnyResource, sign_in::Gate, usage::Counted},
    resources,
};
use fault::Fault;
use form::Draft;
use query::{Query, Typed};
use save::Sent;
use visitor::Visitor;

/// What every page needs.
#[derive(Clone)]
struct Console {
    region: Region,
    gate: Gate,
    counted: Counted,
}

/// Nothing that a person types into a form is longer.
const LONGEST_FORM: usize = 256 * 1024;

/// Stands beside the API on the operators' listener, and has no fallback of its own.
pub fn routes(region: Region) -> Router {
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
        .with_state(Console { region, gate: Gate::default(), counted: Counted::default() })
}

async fn list_or_blank(
    State(console): State<Console>,
    visitor: Visitor,
    Path(plural): Path<String>,
    query: Query,
) -> Result<Response, Fault> {
    let resource = of(&plural)?;
    match query.get("do") {
        "create" if resource.kind().has("Create") => {
            let typed = Typed::of(&query);
            let draft = Draft { resource, item: None, typed: &typed, objections: &[], moved: None };
            form::show(&console, &visitor, draft).await
        }
        _ => list::show(console, visitor, query, resource).await,
    }
}

async fn detail_or_edit(
    State(console): State<Console>,
    visitor: Visitor,
    Path((plural, key)): Path<(String, String)>,
    query: Query,
) -> Result<Response, Fault> {
    let resource = of(&plural)?;
    let noun = resource.kind().noun.as_str();
    let verb = query.get("do").to_owned();
    let own = own::find(noun, &verb);
    if own.is_none() && !matches!(verb.as_str(), "update" | "delete") {
        return match noun {
            "subnet" => subnet::show(console, visitor, query, key).await,
            "rack" => racks::detail(console, visitor, query, (resource, key)).await,
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

async fn create(
    State(console): State<Console>,
    visitor: Visitor,
    Path(plural): Path<String>,
    typed: Typed,
) -> Result<Response, Fault> {
    let resource = of(&plural)?;
    if !resource.kind().has("Create") {
        return Err(Fault::no_page(&plural));
    }
    Sent { console, visitor, resource, typed }.create().await
}

async fn change(
    State(console): State<Console>,
    visitor: Visitor,
    Path((plural, key)): Path<(String, String)>,
    query: Query,
    typed: Typed,
) -> Result<Response, Fault> {
    let resource = of(&plural)?;
    let sent = Sent { console, visitor, resource, typed };
    let kind = resource.kind();
    if let Some(own) = own::find(&kind.noun, query.get("do")) {
        return own::run(sent, own, key).await;
    }
    match query.get("do") {
        "preview" if kind.has("Update") => sent.preview(key).await,
        "update" if kind.has("Update") => sent.update(key).await,
        "edit" if kind.has("Update") => sent.edit(key).await,
        "delete" if kind.has("Delete") => sent.delete(key).await,
        _ => Err(Fault::no_page(&plural)),
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
