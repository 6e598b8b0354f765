//! How far a machine came as it booted.

use serde_json::{Value, json};

use crate::{
    command::Hostler,
    fake_region::{Call, FakeRegion, Reply},
};

fn attempt(outcome: &str, stages: usize) -> Value {
    let all = [
        json!({"step": "discover", "at": "2026-11-23T06:00:00Z"}),
        json!({"step": "loader-requested", "at": "2026-11-23T06:00:01Z", "detail": "ipxe/x.efi", "bytes": 2048}),
        json!({"step": "system", "at": "2026-11-23T06:00:09Z"}),
    ];
    json!({
        "meta": {"id": "b-1", "key": "52:54:00:12:34:56@1"}, "mac": "52:54:00:12:34:56", "machine": "n1",
        "outcome": outcome, "cause": "no answer to TFTP", "stage": all[stages - 1]["step"],
        "started_at": all[0]["at"], "heard_at": all[stages - 1]["at"], "stages": all[..stages]
    })
}

#[tokio::test]
async fn a_boot_is_shown_with_what_it_hangs_on() {
    let region = FakeRegion::start(|_: &Call| Reply::one(attempt("stalled", 2))).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["boot-attempt", "trace", "b-1"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    for part in [
        "stalled at loader-requested after 1.0 s: no answer to TFTP",
        "loader-requested !",
        "2.0 KiB  ipxe/x.efi",
    ] {
        assert!(run.out.contains(part), "{part} is not in {run:?}");
    }
    assert_eq!(region.calls("BootAttempts/Get")[0].request, json!({"id": "b-1"}));
    let run = hostler.run(&["boot-attempt", "trace", "b-1", "--json", "outcome"]).await;
    assert_eq!(serde_json::from_str::<Value>(&run.out).unwrap(), json!({"outcome": "stalled"}));
}

#[tokio::test]
async fn a_boot_that_goes_on_is_followed() {
    let region = FakeRegion::start(|call: &Call| match call.before {
        0 => Reply::one(attempt("running", 2)),
        _ => Reply::one(attempt("finished", 3)),
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let mut child = hostler.spawn(&["boot-attempt", "trace", "b-1", "--watch"]);
    for expected in ["running since 1.0 s", "finished after 9.0 s"] {
        while !child.line().await.contains(expected) {}
    }
}

#[tokio::test]
async fn of_a_machine_its_newest_boot_is_shown() {
    let region = FakeRegion::start(|call: &Call| match call.request["filter"].as_str() {
        Some("machine=n1") => Reply::one(json!({"items": [attempt("finished", 3)]})),
        _ => Reply::one(json!({})),
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["machine", "boot-trace", "n1"]).await;
    assert!(run.code == 0 && run.out.contains("finished after 9.0 s"), "{run:?}");
    assert_eq!(
        region.calls("BootAttempts/List")[0].request,
        json!({"page_size": 1, "filter": "machine=n1", "order_by": "started_at desc"})
    );
    let run = hostler.run(&["machine", "boot-trace", "n2"]).await;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("n2 has not booted from the network"), "{run:?}");
}
