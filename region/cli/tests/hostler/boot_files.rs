//! A push: what is sent, what is not sent again, and what is said when it breaks.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    command::Hostler,
    fake_region::{Call, FakeRegion, Reply},
};

/// More than one chunk of it.
fn content() -> Vec<u8> {
    (0..300_000u32).flat_map(u32::to_be_bytes).collect()
}

fn sha256() -> String {
    digest(&SHA256, &content()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn item(call: &Call) -> Value {
    let begin = &call.request[0]["begin"];
    let item = json!({"meta": {"key": begin["path"], "revision": 1}, "path": begin["path"], "size": begin["size"], "sha256": begin["sha256"]});
    json!({"item": item})
}

/// How many bytes came, and the offset that they were said to begin at.
fn came(call: &Call) -> (u64, usize) {
    let parts = call.request.as_array().unwrap();
    let chunk = |part: &Value| {
        let text = part["chunk"].as_str().unwrap_or_default();
        text.len() / 4 * 3 - text.bytes().rev().take_while(|end| *end == b'=').count()
    };
    let offset = parts[0]["begin"]["offset"].as_u64().unwrap_or_default();
    (offset, parts.iter().map(chunk).sum())
}

fn hostler(region: &FakeRegion) -> (Hostler, String) {
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url), ("HOSTLER_TOKEN", "s3cret")]);
    let file = hostler.folder().join("snponly.efi");
    std::fs::write(&file, content()).unwrap();
    (hostler, file.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn only_what_region_does_not_have_is_sent() {
    let size = content().len();
    for (status, offset) in [
        (json!({}), 0),
        (json!({"received": 700_000}), 700_000),
        (json!({"received": size, "complete": true}), size),
    ] {
        let region = FakeRegion::start(move |call| match call.method.as_str() {
            "BootFilePush/PushStatus" => Reply::one(status.clone()),
            _ => Reply::one(item(call)).at("c-1"),
        })
        .await;
        let (hostler, file) = hostler(&region);
        let words =
            ["boot-file", "push", &file, "--as", "ipxe/x.efi", "--note", "mine", "-m", "why"];
        let run = hostler.run(&words).await;
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.out.contains("ipxe/x.efi") && run.out.contains(&sha256()), "{run:?}");
        assert_eq!(region.calls("BootFilePush/PushStatus")[0].request, json!({"sha256": sha256()}));
        let pushes = region.calls("BootFilePush/Push");
        assert_eq!(pushes.len(), 1);
        assert_eq!(pushes[0].token.as_deref(), Some("Bearer s3cret"));
        assert_eq!(came(&pushes[0]), (offset as u64, size - offset));
        let begin = &pushes[0].request[0]["begin"];
        assert_eq!((&begin["note"], &begin["write"]["message"]), (&json!("mine"), &json!("why")));
    }
}

/// The connection ends in the middle; what region had of it turns out to be of something else.
#[tokio::test]
async fn a_push_that_broke_is_taken_up_by_itself() {
    let refused = || {
        let details =
            ErrorDetails::with_bad_request_violation("sha256", "is not the digest of what came");
        Status::with_error_details(tonic::Code::InvalidArgument, "refused", details)
    };
    let region = FakeRegion::start(move |call| match (call.method.as_str(), call.before) {
        ("BootFilePush/PushStatus", 0 | 2) => Reply::one(json!({})),
        ("BootFilePush/PushStatus", _) => Reply::one(json!({"received": 1000})),
        (_, 0) => Reply::refuse(Status::unavailable("region is ending")),
        (_, 1) => Reply::refuse(refused()),
        _ => Reply::one(item(call)),
    })
    .await;
    let (hostler, file) = hostler(&region);
    let run = hostler.run(&["boot-file", "push", &file]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("snponly.efi"), "{run:?}");
    assert!(run.err.contains("broken off (region is ending); going on from there"), "{run:?}");
    let offsets: Vec<u64> =
        region.calls("BootFilePush/Push").iter().map(|call| came(call).0).collect();
    assert_eq!(offsets, [0, 1000, 0]);
}

#[tokio::test]
async fn what_cannot_be_pushed_is_said() {
    let region = FakeRegion::start(|call| match call.method.as_str() {
        "BootFilePush/PushStatus" => Reply::one(json!({})),
        _ => Reply::refuse(Status::resource_exhausted("the disk that /srv is on is full")),
    })
    .await;
    let (hostler, file) = hostler(&region);
    for (words, code, said) in [
        (vec!["boot-file", "push", &file], 1, "the disk that /srv is on is full"),
        (vec!["boot-file", "push", "/nowhere/x"], 1, "/nowhere/x: No such file"),
        (vec!["boot-file", "push", "/tmp"], 64, "/tmp: is no file"),
        (vec!["boot-file", "push"], 64, "<FILE>"),
    ] {
        let run = hostler.run(&words).await;
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.err.contains(said), "{said:?} is not in {run:?}");
    }
}

#[tokio::test]
async fn judged_only_nothing_is_sent() {
    let region = FakeRegion::start(|call| Reply::one(item(call))).await;
    let (hostler, file) = hostler(&region);
    let run = hostler.run(&["boot-file", "push", &file, "--dry-run"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(region.calls("BootFilePush/PushStatus").len(), 0);
    assert_eq!(came(&region.calls("BootFilePush/Push")[0]).1, 0);
}
