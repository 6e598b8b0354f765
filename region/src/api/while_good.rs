//! Streams that last no longer than the token that opened them.

use axum::body::{Body, Bytes};
use http::HeaderMap;
use hyper::body::Frame;
use proto::describe;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tonic::Status;

/// Whether the method at this path answers with a stream. What answers once is done before its token could end.
pub(super) fn is_stream(path: &str) -> bool {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let method = parts.and_then(|(service, method)| {
        let service = describe::POOL.get_service_by_name(service)?;
        service.methods().find(|own| own.name() == method)
    });
    method.is_some_and(|method| method.is_server_streaming())
}

/// `body`, cut off with the status that `ended` resolves to.
pub(super) fn limit(body: Body, ended: impl Future<Output = Status> + Send + 'static) -> Body {
    Body::new(Limited { body, ended: Some(Box::pin(ended)) })
}

struct Limited {
    body: Body,
    /// None: it has.
    ended: Option<Pin<Box<dyn Future<Output = Status> + Send>>>,
}

impl hyper::body::Body for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(ended) = self.ended.as_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(status) = ended.as_mut().poll(context) {
            self.ended = None;
            self.body = Body::empty();
            let mut trailers = HeaderMap::new();
            let told = status.add_header(&mut trailers).map(|()| Frame::trailers(trailers));
            return Poll::Ready(Some(told.map_err(axum::Error::new)));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.ended.is_none() || self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_streams_are_limited() {
        for (path, expected) in [
            ("/hostler.v1.Vlans/Watch", true),
            ("/hostler.v1.Convergence/Wait", true),
            ("/hostler.v1.Vlans/List", false),
            ("/hostler.v1.Vlans/Nothing", false),
            ("/unknown.Service/Watch", false),
            ("", false),
        ] {
            assert_eq!(is_stream(path), expected, "{path}");
        }
    }
}
