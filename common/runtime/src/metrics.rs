//! Prometheus metrics, by the `metrics` facade; served as plain HTTP on an address that should be loopback.

use axum::{Router, routing::get};
use metrics_exporter_prometheus::PrometheusBuilder;
pub use metrics_exporter_prometheus::{BuildError, PrometheusHandle};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;

use crate::tasks::Tasks;

/// Makes this process's recorder, once. Buckets are seconds, from a tenth of a millisecond to ten seconds.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    const BUCKETS: &[f64] =
        &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let builder = PrometheusBuilder::new().set_buckets(BUCKETS)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // A second recorder (tests in one process) is of its own and not the facade's.
    let _ = ::metrics::set_global_recorder(recorder);
    Ok(handle)
}

/// `GET /metrics` and `GET /health` on `address`, until shutdown.
pub async fn serve(
    address: SocketAddr,
    handle: PrometheusHandle,
    tasks: &Tasks,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let upkeep = handle.clone();
    let routes = Router::new()
        .route("/metrics", get(move || std::future::ready(handle.render())))
        .route("/health", get(|| std::future::ready("ok\n")));
    let shutdown = tasks.shutdown();
    let until = shutdown.clone().cancelled_owned();
    tasks.spawn("metrics", async move {
        if let Err(error) = axum::serve(listener, routes).with_graceful_shutdown(until).await {
            tracing::error!(%error, "the metrics listener ended");
        }
    });
    tasks.spawn("metrics upkeep", async move {
        // Histograms keep each sample until they are folded.
        let mut turn = tokio::time::interval(Duration::from_secs(5));
        loop {
            tokio::select! {
                _ = turn.tick() => upkeep.run_upkeep(),
                () = shutdown.cancelled() => return,
            }
        }
    });
    Ok(bound)
}
