//! A watch is one story, however often the connection is lost.

use crate::{
    command::Hostler,
    fake_region::{FakeRegion, Reply},
};
use serde_json::{Value, json};

fn event(cursor: &str, change: &str, key: &str) -> Value {
    json!({"cursor": cursor, "change": change, "item": {"meta": {"id": key, "key": key}, "name": key}})
}

#[tokio::test]
async fn it_goes_on_where_it_was_after_a_lost_connection() {
    let region = FakeRegion::start(|call| match call.before {
        // Cut off before the list is complete: nothing of it counts.
        0 => Reply::stream([event("1", "CHANGE_PRESENT", "a")]).hold(),
        1 => Reply::stream([
            event("1", "CHANGE_PRESENT", "a"),
            event("1", "CHANGE_PRESENT", "b"),
            json!({"cursor": "1", "change": "CHANGE_CURRENT"}),
            event("2", "CHANGE_CREATED", "c"),
        ])
        .hold(),
        _ => Reply::stream([event("3", "CHANGE_DELETED", "a")]).hold(),
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let mut watch = hostler.spawn(&["fabric", "list", "--watch", "-o", "json"]);
    until(|| region.calls("Fabrics/Watch").len() == 1).await;
    region.cut();
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(told(&watch.line().await));
    }
    region.cut();
    seen.push(told(&watch.line().await));
    assert_eq!(seen, ["present a 1", "present b 1", "current  1", "created c 2", "deleted a 3"]);
    let cursors: Vec<_> =
        region.calls("Fabrics/Watch").iter().map(|call| call.request["cursor"].clone()).collect();
    assert_eq!(cursors, [Value::Null, Value::Null, "2".into()]);
}

/// A line of JSON as a word, a key and a cursor.
fn told(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let key = text(&line["item"]["meta"]["key"]);
    format!("{} {key} {}", text(&line["change"]), text(&line["cursor"]))
}

async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("it comes to it");
}
