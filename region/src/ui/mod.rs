//! Pages over the same operations as the API. These serve every kind of resource; a page that deserves more has a file of its own here.

mod assets;
#[expect(unused_qualifications, reason = "askama writes some for an enum")]
mod cells;
mod detail;
mod export;
mod fault;
mod form;
mod frame;
mod guard;
mod history;
mod list;
mod live;
mod query;
mod save;
mod signin;
mod table;
mod visitor;
mod words;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State},
    middleware,
    response::{Redirect, Response},
    routing::{get, post},
};
use tower_http::compression::CompressionLayer;

use crate::{
    Region,
    operations::{erased::AnyResource, sign_in::Gate},
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
}

/// Nothing that a person types into a form is longer.
const LONGEST_FORM: usize = 256 * 1024;

/// Stands beside the API on the operators' listener, and has no fallback of its own.
pub fn routes(region: Region) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/subnets") }))
        .route("/sign-in", get(signin::show).post(signin::sign_in))
        .route("/sign-out", post(signin::sign_out))
        .route("/account", get(signin::account))
        .route("/taste", post(signin::taste))
        .route("/live", get(live::events))
        .route("/assets/{name}", get(assets::serve))
        .route("/{plural}", get(list_or_blank).post(create))
        .route("/{plural}/{*key}", get(detail_or_edit).post(change))
        .layer(middleware::from_fn(guard::guard))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(CompressionLayer::new())
        .with_state(Console { region, gate: Gate::default() })
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
    let verb = query.get("do").to_owned();
    if !matches!(verb.as_str(), "update" | "delete") {
        return detail::show(console, visitor, query, (resource, key)).await;
    }
    let item = console.region.read(&visitor.actor, move |tx| resource.get(tx, &key)).await?;
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
