//! What every request and answer of the console has to keep to.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::Fault;

/// Everything comes from region itself, and nothing is inline.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

pub(super) async fn guard(mut request: Request, next: Next) -> Response {
    name_host(&mut request);
    if is_grpc(request.headers()) {
        return unimplemented();
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if changes && !from_our_own_page(request.headers()) {
        Fault::foreign().into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // Pages are one person's; assets say otherwise themselves.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// HTTP/2 says in its own way which host is asked.
fn name_host(request: &mut Request) {
    let asked = request.uri().authority().map(|authority| authority.as_str().parse());
    if let Some(Ok(host)) = asked {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
}

/// A service that region does not have, asked for at the port that it shares with the pages.
fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    media.is_some_and(|media| media.as_bytes().starts_with(b"application/grpc"))
}

fn unimplemented() -> Response {
    // gRPC's own code 12, by HTTP/2 headers alone.
    [("content-type", "application/grpc"), ("grpc-status", "12")].into_response()
}

/// The browser says where a request comes from, and a page cannot make it lie; so there is no token to carry through every form.
fn from_our_own_page(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    match (site, text(header::ORIGIN), text(header::HOST)) {
        (Some(site), ..) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, from)| from == host)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn the_host_is_known_in_either_version_of_http() {
        for (uri, said, expected) in [
            ("https://region:7240/sign-in", None, Some("region:7240")),
            ("/sign-in", Some("region:7240"), Some("region:7240")),
            ("https://region:7240/", Some("other:7240"), Some("other:7240")),
            ("/sign-in", None, None),
        ] {
            let mut request = Request::builder().uri(uri);
            if let Some(host) = said {
                request = request.header(header::HOST, host);
            }
            let mut request = request.body(Body::empty()).unwrap();
            name_host(&mut request);
            let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap());
            assert_eq!(host, expected, "{uri} {said:?}");
        }
    }

    #[test]
    fn only_our_own_pages_write() {
        for (headers, allowed) in [
            (&[("sec-fetch-site", "same-origin")][..], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "https://a"), ("host", "a")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("origin", "https://region:7240"), ("host", "region:7240")], true),
            (&[("origin", "https://other:7240"), ("host", "region:7240")], false),
            (&[("origin", "null"), ("host", "region:7240")], false),
            (&[("host", "region:7240")], false),
            (&[], false),
        ] {
            let map = headers
                .iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            assert_eq!(from_our_own_page(&map), allowed, "{headers:?}");
        }
    }
}
