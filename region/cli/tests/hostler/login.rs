//! Getting to know a region, and being known by it.

use serde_json::json;
use std::fs;

use crate::{
    command::Hostler,
    fake_region::{FakeRegion, Reply},
};

const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000001";

async fn region() -> FakeRegion {
    FakeRegion::start_tls("127.0.0.1", |call| {
        let known = call.token.as_deref() == Some("Bearer s3cret");
        match call.method.as_str() {
            _ if !known => Reply::refuse(tonic::Status::unauthenticated("the token is not known")),
            "Convergence/Overview" => Reply::one(json!({"racks": [{"rack": "r1"}], "current": 0})),
            _ => Reply::one(json!({"items": [{"meta": {"key": "dc1"}, "name": "dc1"}]})),
        }
    })
    .await
}

#[tokio::test]
async fn a_login_is_kept_and_used() {
    let region = region().await;
    let fingerprint = region.fingerprint.unwrap().to_string();
    let hostler = Hostler::new(&[]);
    fs::write(hostler.folder().join("authority.pem"), &region.authority).unwrap();
    for trust in [["--fingerprint", fingerprint.as_str()], ["--ca", "authority.pem"]] {
        let words = [&["login", region.url.as_str(), "--token", "-"][..], &trust].concat();
        let run = hostler.run_with(&words, "s3cret\n").await;
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.out.contains("as profile 127.0.0.1; 0 of 1 racks up to date"), "{run:?}");
        let run = hostler.run(&["fabric", "list", "--json", "name"]).await;
        assert_eq!(
            (run.code, run.out.replace(char::is_whitespace, "")),
            (0, r#"[{"name":"dc1"}]"#.into())
        );
    }
}

#[tokio::test]
async fn nobody_is_trusted_unseen() {
    let region = region().await;
    let fingerprint = region.fingerprint.unwrap().to_string();
    let run = Hostler::new(&[]).run_with(&["login", &region.url, "--token", "-"], "s3cret").await;
    assert_eq!(run.code, 64, "{run:?}");
    assert!(run.err.contains(&fingerprint), "it shows what to compare: {run:?}");
    assert!(run.err.contains("--fingerprint"), "{run:?}");
    let run = Hostler::new(&[("HOSTLER_SERVER", &region.url)]).run(&["fabric", "list"]).await;
    assert_eq!(run.code, 64, "{run:?}");
    assert!(run.err.contains("HOSTLER_FINGERPRINT"), "{run:?}");
    assert_eq!(region.calls("Fabrics/List").len(), 0);
}

#[tokio::test]
async fn a_wrong_certificate_ends_it_before_a_word_is_said() {
    let region = region().await;
    let fingerprint = region.fingerprint.unwrap().to_string();
    let environment = [
        ("HOSTLER_SERVER", region.url.as_str()),
        ("HOSTLER_TOKEN", "s3cret"),
        ("HOSTLER_FINGERPRINT", OTHER),
    ];
    let run = Hostler::new(&environment).run(&["fabric", "list"]).await;
    assert_eq!(run.code, 3, "{run:?}");
    for words in [OTHER, &fingerprint, "hostler login"] {
        assert!(run.err.contains(words), "{words:?} is not in {run:?}");
    }
    // The right authority, and a name that its certificate does not have.
    let by_name = region.url.replace("127.0.0.1", "localhost");
    let environment = [("HOSTLER_SERVER", by_name.as_str()), ("HOSTLER_FINGERPRINT", &fingerprint)];
    let run = Hostler::new(&environment).run(&["fabric", "list"]).await;
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.err.contains("cannot be trusted"), "{run:?}");
    assert_eq!(region.calls("Fabrics/List").len(), 0);
}

#[tokio::test]
async fn a_token_that_is_not_known_is_not_kept() {
    let region = region().await;
    let fingerprint = region.fingerprint.unwrap().to_string();
    let hostler = Hostler::new(&[]);
    let words = ["login", &region.url, "--token", "-", "--fingerprint", &fingerprint];
    let run = hostler.run_with(&words, "wrong").await;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(!hostler.folder().join("hostler").join("config.toml").exists());
}

#[tokio::test]
async fn profiles_are_listed_chosen_and_forgotten() {
    let region = region().await;
    let fingerprint = region.fingerprint.unwrap().to_string();
    let hostler = Hostler::new(&[]);
    for name in ["lab", "live"] {
        let words = [
            "login",
            &region.url,
            "--token",
            "-",
            "--fingerprint",
            &fingerprint,
            "--profile",
            name,
        ];
        assert_eq!(hostler.run_with(&words, "s3cret").await.code, 0);
    }
    let marked = async || {
        let run = hostler.run(&["profile", "list"]).await;
        let line = run.out.lines().find(|line| line.starts_with('*')).map(str::to_owned);
        line.unwrap_or_default().split_whitespace().nth(1).map(str::to_owned)
    };
    assert_eq!(marked().await.as_deref(), Some("live"));
    assert_eq!(hostler.run(&["profile", "use", "lab"]).await.code, 0);
    assert_eq!(marked().await.as_deref(), Some("lab"));
    assert_eq!(hostler.run(&["profile", "remove", "lab"]).await.code, 0);
    assert_eq!(marked().await, None);
    assert_eq!(hostler.run(&["profile", "use", "lab"]).await.code, 64);
}
