//! `--wait`: every way in which a change can end at the racks has its own exit code and says who is behind.

use serde_json::{Value, json};

use crate::{
    command::Hostler,
    fake_region::{FakeRegion, Reply},
};

fn scope(rack: &str, progress: &str, reason: &str) -> Value {
    json!({
        "rack": rack, "scope": "dhcp/1", "name": "dhcp dc1/10",
        "progress": format!("PROGRESS_{progress}"), "reason": reason
    })
}

fn progress(scopes: impl Into<Vec<Value>>, settled: bool) -> Value {
    json!({ "scopes": scopes.into(), "settled": settled })
}

/// A region that answers a write and then tells this.
async fn after(told: Vec<Value>, holds: bool) -> FakeRegion {
    FakeRegion::start(move |call| match call.method.as_str() {
        "Fabrics/Update" => Reply::one(json!({"meta": {"key": "dc1"}, "name": "dc1"})).at("7"),
        _ if holds => Reply::stream(told.clone()).hold(),
        _ => Reply::stream(told.clone()),
    })
    .await
}

#[tokio::test]
async fn each_end_has_its_exit_code_and_its_words() {
    let pending = || progress([scope("r1", "PENDING", ""), scope("r2", "PENDING", "")], false);
    for (told, holds, code, said) in [
        (vec![progress([], true)], false, 0, "saved; it touches no rack"),
        (
            vec![
                pending(),
                progress([scope("r1", "APPLIED", "")], false),
                progress([scope("r2", "STANDBY", "")], true),
            ],
            false,
            0,
            "applied: 2 of 2",
        ),
        (
            vec![
                pending(),
                progress([scope("r1", "REFUSED", "no interface eth7")], false),
                progress([scope("r2", "APPLIED", "")], true),
            ],
            false,
            4,
            "refused      r1  dhcp dc1/10  no interface eth7",
        ),
        (
            vec![pending(), progress([scope("r1", "UNREACHABLE", "since 03:00")], false)],
            true,
            5,
            "after 1 s only 0 of 2 have it; behind: r1 (dhcp dc1/10), r2 (dhcp dc1/10)",
        ),
    ] {
        let region = after(told, holds).await;
        let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
        let run = hostler
            .run(&["fabric", "update", "dc1", "--note", "x", "--wait=1", "-o", "json"])
            .await;
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.err.contains(said), "{said:?} is not in {run:?}");
        let saved: Value = serde_json::from_str(&run.out).unwrap();
        assert_eq!(saved["name"], "dc1", "the answer is whole whatever the racks say");
        assert_eq!(region.calls("Convergence/Wait")[0].request, json!({"cursor": "7"}));
    }
}

#[tokio::test]
async fn a_region_that_starts_again_is_asked_again() {
    let region = FakeRegion::start(|call| match (call.method.as_str(), call.before) {
        ("Fabrics/Update", _) => Reply::one(json!({"meta": {"key": "dc1"}, "name": "dc1"})).at("7"),
        (_, 0) => Reply::refuse(tonic::Status::unavailable("shutting down")),
        (..) => Reply::one(progress([scope("r1", "APPLIED", "")], true)),
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["fabric", "update", "dc1", "--note", "x", "--wait"]).await;
    assert_eq!((run.code, region.calls("Convergence/Wait").len()), (0, 2), "{run:?}");
}
