//! Counts what is asked, by method and outcome.

use axum::{body::Body, extract::Request, http::Response, middleware::Next};
use std::time::Instant;

/// In front of every gRPC service. A stream counts as it opens; of a call that fails, the code comes in the headers.
pub async fn measure(request: Request, next: Next) -> Response<Body> {
    let method = method(request.uri().path());
    let started = Instant::now();
    let response = next.run(request).await;
    let code = response.headers().get("grpc-status").and_then(|code| code.to_str().ok());
    // No status in the headers: it goes well, or comes after a body.
    let code = code.unwrap_or("0").to_owned();
    metrics::counter!("hostler_requests_total", "method" => method.clone(), "code" => code)
        .increment(1);
    metrics::histogram!("hostler_request_seconds", "method" => method).record(started.elapsed());
    response
}

/// Strangers may ask for anything; only what the contract knows gets a series of its own.
fn method(path: &str) -> String {
    let known = path.trim_start_matches('/').split_once('/').filter(|(service, method)| {
        let service = proto::describe::POOL.get_service_by_name(service);
        service.is_some_and(|service| service.methods().any(|own| own.name() == *method))
    });
    known.map_or_else(
        || "other".to_owned(),
        |(service, method)| {
            let service = service.rsplit('.').next().unwrap_or(service);
            format!("{service}.{method}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_of_the_contract_are_named() {
        for (path, expected) in [
            ("/hostler.v1.Subnets/List", "Subnets.List"),
            ("/hostler.v1.RackLink/Connect", "RackLink.Connect"),
            ("/hostler.v1.Subnets/Drop", "other"),
            ("/index.html", "other"),
        ] {
            assert_eq!(method(path), expected);
        }
    }
}
