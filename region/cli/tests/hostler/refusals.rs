//! What region objects to, as a person reads it and a script meets it.

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::{
    command::Hostler,
    fake_region::{FakeRegion, Reply},
};

fn status(code: Code, message: &str, reason: &str) -> Status {
    Status::with_error_details(code, message, ErrorDetails::with_error_info(reason, "hostler", []))
}

#[tokio::test]
async fn every_error_says_what_to_do() {
    let objections = || {
        let mut details = ErrorDetails::with_bad_request(vec![
            FieldViolation::new("name", "is taken"),
            FieldViolation::new("note", "must be shorter"),
        ]);
        details.set_error_info("REFUSED", "hostler", [("name".into(), "dc1".into())]);
        Status::with_error_details(Code::InvalidArgument, "refused", details)
    };
    let cases: Vec<(Status, i32, Vec<&str>)> = vec![
        (
            objections(),
            1,
            vec!["refused, nothing was changed", "name: \"dc1\" is taken", "note: must be shorter"],
        ),
        (
            status(Code::Unauthenticated, "the token is not known", "UNAUTHENTICATED"),
            1,
            vec!["the token is not known", "hostler login http://127.0.0.1:"],
        ),
        (
            status(Code::PermissionDenied, "ci may not write fabric; needs operator", "DENIED"),
            1,
            vec!["needs operator", "hostler token create"],
        ),
        (
            status(Code::Aborted, "fabric dc1 is at revision 4, not 3; read it again", "STALE"),
            1,
            vec!["at revision 4, not 3"],
        ),
        (
            status(Code::Unavailable, "the database is away", "DATABASE_AWAY"),
            3,
            vec!["the database is away", "racks go on serving"],
        ),
        (Status::unimplemented(""), 1, vec!["may be older than this hostler"]),
    ];
    for (status, code, said) in cases {
        let region = FakeRegion::start({
            let status = status.clone();
            move |_| Reply::refuse(status.clone())
        })
        .await;
        let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
        let run = hostler.run(&["fabric", "create", "--name", "dc1"]).await;
        assert_eq!(run.code, code, "{run:?}");
        for words in said {
            assert!(run.err.contains(words), "{words:?} is not in {run:?}");
        }
        assert_eq!(run.out, "", "nothing but an answer goes to standard output");
    }
}

#[tokio::test]
async fn a_compacted_cursor_is_called_so() {
    let refused = || status(Code::OutOfRange, "the log begins at 9", "COMPACTED");
    let region = FakeRegion::start(move |_| Reply::refuse(refused())).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["fabric", "watch", "--cursor", "3"]).await;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.err.contains("compacted: the log begins at 9"), "{run:?}");
}

#[tokio::test]
async fn a_write_in_doubt_can_be_said_again() {
    let lost = || Status::unavailable("");
    let region = FakeRegion::start(move |_| Reply::refuse(lost())).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["fabric", "create", "--name", "dc1"]).await;
    let sent = region.calls("Fabrics/Create")[0].request["write"]["request_id"].clone();
    let again = format!("--request-id {}", sent.as_str().unwrap());
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.err.contains(&again), "{again:?} is not in {run:?}");
}

#[tokio::test]
async fn a_region_that_is_not_there_is_told_from_one_that_refuses() {
    let hostler = Hostler::new(&[("HOSTLER_SERVER", "http://127.0.0.1:1")]);
    let run = hostler.run(&["fabric", "list"]).await;
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.err.contains("no region answers at http://127.0.0.1:1"), "{run:?}");
}

#[tokio::test]
async fn a_wrong_command_line_is_an_error_of_its_own() {
    for (words, said) in [
        (vec!["fabric", "list"], "hostler login https://REGION:7240"),
        (vec!["fabric", "create"], "--name"),
        (vec!["get", "fabric", "dc1"], "tip: the noun comes first: hostler fabric get dc1"),
    ] {
        let run = Hostler::new(&[]).run(&words).await;
        assert_eq!(run.code, 64, "{run:?}");
        assert!(run.err.contains(said), "{said:?} is not in {run:?}");
    }
}

#[tokio::test]
async fn what_goes_is_shown_and_without_a_terminal_must_be_meant() {
    let region = FakeRegion::start(|call| match call.method.as_str() {
        "Fabrics/Get" => Reply::one(json!({"meta": {"id": "f-1", "key": "dc1"}, "name": "dc1"})),
        "Vlans/List" => Reply::one(json!({"items": [{"meta": {"key": "dc1/10"}}]})),
        _ => Reply::one(json!({})),
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["fabric", "delete", "dc1"]).await;
    assert_eq!(run.code, 64, "{run:?}");
    for words in ["delete fabric dc1", "1 vlan by fabric: dc1/10", "say --yes"] {
        assert!(run.err.contains(words), "{words:?} is not in {run:?}");
    }
    let deletions = |region: &FakeRegion| {
        let calls = region.calls("Fabrics/Delete");
        calls.iter().filter(|call| call.request["write"]["validate_only"] != true).count()
    };
    assert_eq!(deletions(&region), 0);
    let run = hostler.run(&["fabric", "delete", "dc1", "--yes"]).await;
    assert_eq!((run.code, run.out.as_str()), (0, "fabric dc1 deleted\n"), "{run:?}");
    assert_eq!(deletions(&region), 1);
}
