//! A list as a file: everything that the filter lets through, read page by page as the browser takes it.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, stream};
use prost_reflect::DynamicMessage;
use proto::{
    describe::{Kind, meta},
    v1,
};

use super::{Console, Fault, visitor::Visitor};
use crate::operations::{OperationError, Tx, erased::AnyResource, list::Page};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
}

impl Format {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Format {
    /// A file by this name, sent as it is made.
    pub(super) fn download(
        self,
        name: &str,
        parts: impl Stream<Item = Result<Bytes, OperationError>> + Send + 'static,
    ) -> Response {
        let (media, extension) = match self {
            Self::Csv => ("text/csv; charset=utf-8", "csv"),
            Self::Json => ("application/json", "json"),
        };
        let name = format!("attachment; filename=\"{name}.{extension}\"");
        let headers =
            [(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)];
        (headers, Body::from_stream(parts)).into_response()
    }
}

/// As many as one page of a list may have.
const PAGE: i32 = 1000;

pub(super) fn list(
    console: Console,
    visitor: Visitor,
    resource: &'static dyn AnyResource,
    request: v1::ListRequest,
    format: Format,
) -> Result<Response, Fault> {
    let read = move |tx: &mut Tx<'_>, request: &v1::ListRequest| resource.list(tx, request);
    pages((console, visitor), resource.kind(), read, request, format)
}

/// The same for what has a list of its own.
pub(super) fn pages(
    (console, visitor): (Console, Visitor),
    kind: &'static Kind,
    list: impl Fn(&mut Tx<'_>, &v1::ListRequest) -> Result<Page<DynamicMessage>, OperationError>
    + Copy
    + Send
    + 'static,
    request: v1::ListRequest,
    format: Format,
) -> Result<Response, Fault> {
    let request = v1::ListRequest { page_size: PAGE, page_token: String::new(), ..request };
    let start = Some((request, true));
    let pages = stream::try_unfold(start, move |at| {
        let (console, visitor) = (console.clone(), visitor.clone());
        async move {
            let Some((request, first)) = at else { return Ok(None) };
            let asked = request.clone();
            let read = console.region.read(&visitor.actor, move |tx| list(tx, &asked));
            let page = read.await?;
            let last = page.next_page_token.is_empty();
            let text = match format {
                Format::Csv => csv(kind, &page.items, first),
                Format::Json => json(&page.items, first, last),
            };
            let next = v1::ListRequest { page_token: page.next_page_token, ..request };
            Ok::<_, OperationError>(Some((Bytes::from(text), (!last).then_some((next, false)))))
        }
    });
    Ok(format.download(&kind.plural, pages))
}

fn csv(kind: &Kind, items: &[DynamicMessage], first: bool) -> String {
    let fields = || kind.fields.iter().filter(|field| !field.secret);
    let mut text = String::new();
    if first {
        let head: Vec<&str> =
            ["id", "key"].into_iter().chain(fields().map(|field| field.name.as_str())).collect();
        text.push_str(&head.join(","));
        text.push_str("\r\n");
    }
    for item in items {
        let values = [meta(item, "id"), meta(item, "key")];
        let values = values.into_iter().chain(fields().map(|field| field.show(item)));
        let values: Vec<String> = values.map(|value| quoted(&value)).collect();
        text.push_str(&values.join(","));
        text.push_str("\r\n");
    }
    text
}

/// RFC 4180. A spreadsheet runs what begins with one of these signs, and a host name is a stranger's text.
pub(super) fn quoted(value: &str) -> String {
    let value = if value.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{value}")
    } else {
        value.to_owned()
    };
    if value.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

fn json(items: &[DynamicMessage], first: bool, last: bool) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|item| serde_json::to_string(item).expect("a message of the contract is plain data"))
        .collect();
    let between = if first || items.is_empty() { "" } else { ",\n" };
    let (open, close) = (if first { "[" } else { "" }, if last { "]\n" } else { "" });
    format!("{open}{between}{}{close}", items.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_to_every_spreadsheet() {
        for (value, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
            ("-1+2", "'-1+2"),
            ("@x,y", "\"'@x,y\""),
            ("", ""),
        ] {
            assert_eq!(quoted(value), expected);
        }
    }
}
