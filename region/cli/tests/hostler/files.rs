//! `apply`, `plan` and `export`.

use serde_json::{Value, json};
use std::fs;

use crate::{
    command::Hostler,
    fake_region::{Call, FakeRegion, Reply},
};

fn script(call: &Call) -> Reply {
    let outcome = |verb: &str, key: &str| {
        json!({"kind": "fabric", "key": key, "verb": verb,
               "differences": [{"field": "note", "before": "old", "after": "new"}]})
    };
    match call.method.as_str() {
        "Apply/Apply" if call.before == 2 => {
            Reply::one(json!({"outcomes": [outcome("same", "dc1")]}))
        }
        "Apply/Apply" => Reply::one(json!({
            "outcomes": [outcome("create", "office"), outcome("update", "dc1"), outcome("same", "attic")]
        }))
        .at("9"),
        "Fabrics/List" => Reply::one(json!({
            "items": [{"meta": {"id": "f-1", "key": "dc1"}, "name": "dc1", "note": "here"}]
        })),
        "Convergence/Wait" => Reply::one(json!({"settled": true})),
        _ => Reply::one(json!({})),
    }
}

#[tokio::test]
async fn plan_says_by_its_exit_code_whether_there_is_something_to_do() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    fs::write(hostler.folder().join("net.yaml"), "kind: fabric\nname: dc1\nnote: new\n").unwrap();
    let changes = "+ fabric office\n~ fabric dc1\n    note: \"old\" -> \"new\"\n= fabric attic\n";
    for (words, code, end) in [
        ("plan -f net.yaml", 2, "plan: 1 to create, 1 to change, 1 as they are\n"),
        ("apply -f net.yaml --wait", 0, "applied: 1 created, 1 changed, 1 as they are\n"),
    ] {
        let run = hostler.run(&words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!((run.code, run.out), (code, format!("{changes}{end}")), "{}", run.err);
    }
    let run = hostler.run_with(&["plan", "-f", "-"], "kind: fabric\nname: dc1\n").await;
    assert_eq!(run.code, 0, "{run:?}");
    let judged: Vec<Value> = region
        .calls("Apply/Apply")
        .iter()
        .map(|call| call.request["write"]["validate_only"].clone())
        .collect();
    assert_eq!(judged, [Value::Bool(true), Value::Null, Value::Bool(true)]);
    assert_eq!(region.calls("Convergence/Wait")[0].request["cursor"], "9");
}

#[tokio::test]
async fn what_is_exported_can_be_applied() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["export"]).await;
    assert_eq!((run.code, run.out.as_str()), (0, "---\nkind: fabric\nname: dc1\nnote: here\n"));
    let again = hostler.run_with(&["plan", "-f", "-"], &run.out).await;
    assert_eq!(again.code, 2, "{again:?}");
    let document = &region.calls("Apply/Apply")[0].request["documents"][0];
    assert_eq!(document["fields"], json!(["name", "note"]));
}
