//! A list as a file: everything that the filter lets through, read page by page as the browser takes it.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use prost_reflect::DynamicMessage;
use proto::{
    describe::{Kind, meta},
    v1,
};

use super::{Console, Fault, visitor::Visitor};
use crate::operations::{OperationError, erased::AnyResource};

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

/// As many as one page of a list may have.
const PAGE: i32 = 1000;

pub(super) fn list(
    console: Console,
    visitor: Visitor,
    resource: &'static dyn AnyResource,
    request: v1::ListRequest,
    format: Format,
) -> Result<Response, Fault> {
    let (media, extension) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "csv"),
        Format::Json => ("application/json", "json"),
    };
    let name = format!("attachment; filename=\"{}.{extension}\"", resource.kind().plural);
    let headers = [(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, name)];
    let request = v1::ListRequest { page_size: PAGE, page_token: String::new(), ..request };
    let start = Some((request, true));
    let pages = stream::try_unfold(start, move |at| {
        let (console, visitor) = (console.clone(), visitor.clone());
        async move {
            let Some((request, first)) = at else { return Ok(None) };
            let asked = request.clone();
            let read = console.region.read(&visitor.actor, move |tx| resource.list(tx, &asked));
            let page = read.await?;
            let last = page.next_page_token.is_empty();
            let text = match format {
                Format::Csv => csv(resource.kind(), &page.items, first),
                Format::Json => json(&page.items, first, last),
            };
            let next = v1::ListRequest { page_token: page.next_page_token, ..request };
            Ok::<_, OperationError>(Some((Bytes::from(text), (!last).then_some((next, false)))))
        }
    });
    Ok((headers, Body::from_stream(pages)).into_response())
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
fn quoted(value: &str) -> String {
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
