//! Counts what is asked, by method and outcome, and the streams that are open.

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, Response},
    middleware::Next,
};
use hyper::body::{Frame, SizeHint};
use proto::describe;
use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};
use tonic::Code;

/// In front of every gRPC service. A call counts as it ends, with its code; how long it took, until it began to be answered.
pub async fn measure(request: Request, next: Next) -> Response<Body> {
    let (method, streams) = method(request.uri().path());
    let started = Instant::now();
    let response = next.run(request).await;
    metrics::histogram!("hostler_request_seconds", "method" => method.clone())
        .record(started.elapsed());
    // A call that fails before its first message has the code in its headers.
    let code = code(response.headers());
    let open = streams.then(|| Open::new(method.clone()));
    response.map(|body| Body::new(Measured { body, method, code, _open: open }))
}

/// Strangers may ask for anything; only what the contract knows gets a series of its own. And whether it answers with a stream.
fn method(path: &str) -> (String, bool) {
    let parts = path.trim_start_matches('/').split_once('/');
    let known = parts.and_then(|(service, method)| {
        let service = describe::POOL.get_service_by_name(service)?;
        let method = service.methods().find(|own| own.name() == method)?;
        Some((format!("{}.{}", service.name(), method.name()), method.is_server_streaming()))
    });
    known.unwrap_or_else(|| ("other".to_owned(), false))
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

/// A stream while it is open.
struct Open(String);

impl Open {
    fn new(method: String) -> Self {
        metrics::gauge!("hostler_streams", "method" => method.clone()).increment(1.0);
        Self(method)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!("hostler_streams", "method" => self.0.clone()).decrement(1.0);
    }
}

/// An answer on its way: its trailers have the code.
struct Measured {
    body: Body,
    method: String,
    code: Option<Code>,
    _open: Option<Open>,
}

impl hyper::body::Body for Measured {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.code = frame.trailers_ref().and_then(code).or(self.code);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // Without one, whoever asked went away before the end.
        let code = self.code.unwrap_or(Code::Cancelled);
        let labels = [("method", self.method.clone()), ("code", format!("{code:?}"))];
        metrics::counter!("hostler_requests_total", &labels).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_of_the_contract_are_named() {
        for (path, expected) in [
            ("/hostler.v1.Subnets/List", ("Subnets.List", false)),
            ("/hostler.v1.Subnets/Watch", ("Subnets.Watch", true)),
            ("/hostler.v1.RackLink/Connect", ("RackLink.Connect", true)),
            ("/hostler.v1.Subnets/Drop", ("other", false)),
            ("/index.html", ("other", false)),
        ] {
            let (method, streams) = method(path);
            assert_eq!((method.as_str(), streams), expected);
        }
    }
}
