//! What only a person at a terminal gets: colour, tables that fit, and questions.

use serde_json::json;

use crate::{
    command::Hostler,
    fake_region::{Call, FakeRegion, Reply},
};

fn script(call: &Call) -> Reply {
    let fabric = json!({
        "meta": {"id": "f-1", "key": "dc1"}, "name": "dc1",
        "note": "on the second floor, behind the door that does not close"
    });
    match call.method.as_str() {
        "Fabrics/List" => Reply::one(json!({"items": [fabric]})),
        "Fabrics/Get" => Reply::one(fabric),
        _ => Reply::one(json!({})),
    }
}

#[tokio::test]
async fn a_table_fits_and_has_colour_unless_that_is_not_wanted() {
    let region = FakeRegion::start(script).await;
    for (variable, head) in [("HOSTLER_UNUSED", "\u{1b}[1mKEY\u{1b}[0m"), ("NO_COLOR", "KEY")] {
        let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url), (variable, "1")]);
        let run = hostler.run_on_terminal(&["fabric", "list", "-o", "wide"], "").await;
        let lines: Vec<&str> = run.out.lines().map(str::trim_end).collect();
        assert!(lines[0].starts_with(head), "{run:?}");
        assert_eq!(
            lines[1], "dc1  dc1   on the second floor, behind the door that does n…",
            "{run:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_deleted_without_a_yes() {
    for (typed, code, deleted) in [("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 1)] {
        let region = FakeRegion::start(script).await;
        let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
        let run = hostler.run_on_terminal(&["fabric", "delete", "dc1"], typed).await;
        assert!(run.out.contains("Go on and delete it? [y/N]"), "{run:?}");
        let calls = region.calls("Fabrics/Delete");
        let meant = calls.iter().filter(|call| call.request["write"]["validate_only"] != true);
        assert_eq!((run.code, meant.count()), (code, deleted), "{typed:?}: {run:?}");
    }
}

#[tokio::test]
async fn a_fingerprint_can_be_believed_after_looking() {
    let region = FakeRegion::start_tls("127.0.0.1", |_| Reply::one(json!({}))).await;
    let fingerprint = region.fingerprint.unwrap().to_string();
    let hostler = Hostler::new(&[("HOSTLER_TOKEN", "s3cret")]);
    let run = hostler.run_on_terminal(&["login", &region.url], "no\n").await;
    assert!(run.out.contains(&fingerprint) && run.code == 1, "{run:?}");
    let run = hostler.run_on_terminal(&["login", &region.url], "yes\n").await;
    assert!(run.out.contains("logged in to") && run.code == 0, "{run:?}");
}
