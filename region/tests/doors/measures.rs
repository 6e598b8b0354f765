//! What metrics say of the operators' door.

use proto::v1::{self, fabrics_client::FabricsClient};
use region::operations::token;
use runtime::metrics::{PrometheusHandle, install};
use std::sync::OnceLock;

use super::bench::{bearing, eventually, with_doors};

/// Of the whole process: only what no other test does can be counted.
fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| install().unwrap())
}

/// The value of this series; 0 while there is none.
fn shown(series: &str) -> f64 {
    let text = recorder().render();
    let found = text.lines().find_map(|line| line.strip_prefix(series));
    found.map_or(0.0, |value| value.trim().parse().unwrap())
}

fn ended(method: &str, code: &str) -> f64 {
    shown(&format!("hostler_requests_total{{method=\"Fabrics.{method}\",code=\"{code}\"}}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_count_by_the_code_that_they_end_with_and_streams_while_they_are_open() {
    recorder();
    with_doors(async |doors| {
        let secret = token::create_admin(doors.region(), None).await.unwrap();
        let mut client = FabricsClient::new(doors.operators().await);
        let codes = [("Get", "NotFound"), ("Get", "Unauthenticated"), ("List", "Ok")];
        let cancelled = ended("Watch", "Cancelled");
        let before = codes.map(|(method, code)| ended(method, code));
        let open = || shown("hostler_streams{method=\"Fabrics.Watch\"}");
        let get = || v1::GetRequest { id: "nowhere".into() };
        client.get(bearing(secret.expose(), get())).await.unwrap_err();
        client.get(get()).await.unwrap_err();
        client.list(bearing(secret.expose(), v1::ListRequest::default())).await.unwrap();
        let watch = client.watch(bearing(secret.expose(), v1::WatchRequest::default())).await;
        let mut watch = watch.unwrap().into_inner();
        watch.message().await.unwrap().unwrap();
        assert!((open() - 1.0).abs() < 0.1, "{}", recorder().render());
        drop(watch);
        eventually("the calls have ended", async || {
            let after = codes.map(|(method, code)| ended(method, code));
            let once = before.iter().zip(after).all(|(before, after)| after - before > 0.9);
            once && open() < 0.1 && ended("Watch", "Cancelled") - cancelled > 0.9
        })
        .await;
        for series in [
            "hostler_connections{listener=\"operators\"}",
            "hostler_database_connections{state=\"idle\"}",
            "hostler_database_connections{state=\"in use\"}",
            "hostler_database_wait_seconds_count{access=\"read\"}",
            "hostler_event_horizon_age_seconds ",
        ] {
            eventually(series, async || recorder().render().contains(series)).await;
        }
    })
    .await;
}
