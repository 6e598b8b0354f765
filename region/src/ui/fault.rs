//! Why there is no page: what did not happen, and what to do.

use askama::Template;
use axum::{
    extract::rejection::{FormRejection, StringRejection},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use super::assets::{self, Asset};
use crate::operations::OperationError;

#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    title: &'static str,
    said: String,
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    style: &'static Asset,
    icon: &'static Asset,
    status: u16,
    title: &'a str,
    said: &'a str,
}

impl Fault {
    pub(super) fn new(status: StatusCode, title: &'static str, said: impl Into<String>) -> Self {
        Self { status, title, said: said.into() }
    }

    pub(super) fn no_page(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is no such page", format!("Nothing is at {path}."))
    }

    pub(super) fn foreign() -> Self {
        let said = "Nothing was changed: this request did not come from a page of this region.";
        Self::new(StatusCode::FORBIDDEN, "Refused", said)
    }

    pub(super) fn half_a_form() -> Self {
        let said = "Nothing was changed: the form came without its end, or is none.";
        Self::new(StatusCode::BAD_REQUEST, "Refused", said)
    }

    pub(super) fn own() -> Self {
        let said = "The region met an error of its own; its log has the details.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "That did not work", said)
    }
}

impl From<OperationError> for Fault {
    fn from(error: OperationError) -> Self {
        let (status, title) = match &error {
            OperationError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Refused"),
            OperationError::NotFound { .. } => (StatusCode::NOT_FOUND, "There is no such thing"),
            OperationError::Denied { .. } => (StatusCode::FORBIDDEN, "Not allowed"),
            OperationError::Stale { .. } => (StatusCode::CONFLICT, "It changed meanwhile"),
            OperationError::InUse { .. } => (StatusCode::CONFLICT, "It is still in use"),
            OperationError::RequestIdTaken { .. } | OperationError::RolledBack => {
                (StatusCode::CONFLICT, "Nothing was changed")
            }
            OperationError::NoSuchVerb { .. } => (StatusCode::METHOD_NOT_ALLOWED, "Not possible"),
            OperationError::Closing => (StatusCode::SERVICE_UNAVAILABLE, "Region is ending"),
            OperationError::RackRefused { .. } => (StatusCode::CONFLICT, "The rack refuses"),
            OperationError::Unanswered(_) => (StatusCode::GATEWAY_TIMEOUT, "No answer"),
            OperationError::Compacted { .. } => (StatusCode::GONE, "The log is shorter by now"),
            OperationError::Db(error) => {
                tracing::error!(%error, "a page could not be read");
                let said = "The database does not answer. Racks go on serving what they have; \
                            this page comes back with the database.";
                return Self::new(StatusCode::SERVICE_UNAVAILABLE, "Not known right now", said);
            }
        };
        Self::new(status, title, error.to_string())
    }
}

impl From<FormRejection> for Fault {
    fn from(rejection: FormRejection) -> Self {
        Self::new(rejection.status(), "Refused", rejection.body_text())
    }
}

impl From<StringRejection> for Fault {
    fn from(rejection: StringRejection) -> Self {
        let said = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "Nothing was changed: that is more than a page takes. The command line takes files of any size in parts.".into(),
            _ => format!("Nothing was changed: {}.", rejection.body_text()),
        };
        Self::new(rejection.status(), "Refused", said)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let page = FaultPage {
            style: assets::style(),
            icon: assets::icon(),
            status: self.status.as_u16(),
            title: self.title,
            said: &self.said,
        };
        let html = page.render().unwrap_or_else(|_| self.title.to_owned());
        (self.status, Html(html)).into_response()
    }
}
