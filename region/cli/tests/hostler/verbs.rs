//! What goes over the wire for what is typed, and what comes back on the two streams.

use serde_json::{Value, json};

use crate::{
    command::Hostler,
    fake_region::{Call, FakeRegion, Reply},
};

/// One of each, and every page of a list that has two.
fn script(call: &Call) -> Reply {
    let fabric = |name: &str, note: &str| json!({"meta": {"id": name, "key": name, "revision": 3}, "name": name, "note": note});
    match call.method.as_str() {
        "Fabrics/List" if call.request["page_token"] == "2" => {
            Reply::one(json!({"items": [fabric("office", "upstairs")]}))
        }
        "Fabrics/List" => Reply::one(json!({"items": [fabric("dc1", "")], "next_page_token": "2"})),
        "Events/List" => Reply::one(json!({
            "items": [{"type": "new"}, {"type": "old"}], "next_page_token": "more"
        })),
        "RackTokens/Create" => {
            Reply::one(json!({"meta": {"key": "t1"}, "name": "r1", "secret": "one.time"}))
        }
        _ => Reply::one(fabric("dc1", "new")),
    }
}

#[tokio::test]
async fn lists_are_whole_in_every_form() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    for (form, expected) in [
        (vec![], "KEY     NAME\ndc1     dc1\noffice  office\n"),
        (vec!["-o", "wide"], "KEY     NAME    NOTE\ndc1     dc1     -\noffice  office  upstairs\n"),
        (vec!["--limit", "1"], "KEY  NAME\ndc1  dc1\n"),
    ] {
        let run = hostler.run(&[&["fabrics", "list"][..], &form].concat()).await;
        assert_eq!((run.code, run.out.as_str()), (0, expected), "{run:?}");
    }
    for (form, expected) in [
        (
            vec!["--json", "key,revision"],
            json!([{"key": "dc1", "revision": 3}, {"key": "office", "revision": 3}]),
        ),
        (vec!["--json", "note"], json!([{"note": ""}, {"note": "upstairs"}])),
    ] {
        let run = hostler.run(&[&["fabric", "list"][..], &form].concat()).await;
        assert_eq!(serde_json::from_str::<Value>(&run.out).unwrap(), expected, "{run:?}");
    }
    let run = hostler.run(&["fabric", "list", "--json", "nam"]).await;
    assert_eq!(run.code, 64, "{run:?}");
    assert!(
        run.err.contains("a fabric has no such field; these are its fields: id, key"),
        "{run:?}"
    );
}

#[tokio::test]
async fn an_update_says_what_it_means_and_no_more() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let words =
        "fabric update dc1 --note new --set name= --if-revision 3 -m because --request-id r1";
    let run = hostler.run(&words.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        region.calls("Fabrics/Update")[0].request,
        json!({
            "id": "dc1", "item": {"note": "new"}, "mask": "note,name",
            "write": {"request_id": "r1", "message": "because", "expected_revision": 3}
        })
    );
    for (words, said) in [
        (vec!["fabric", "update", "dc1"], "nothing to change"),
        (
            vec!["fabric", "update", "dc1", "--set", "nam=x"],
            "--set nam: a fabric has no such field",
        ),
        (
            vec!["rack", "update", "r1", "--set", "connected=yes"],
            "--set connected: is set by region",
        ),
        (
            vec!["vlan", "create", "--fabric", "dc1", "--vid", "ten"],
            "vid: \"ten\" must be a whole number",
        ),
    ] {
        let run = hostler.run(&words).await;
        assert_eq!(run.code, 64, "{run:?}");
        assert!(run.err.contains(said), "{said:?} is not in {run:?}");
    }
}

#[tokio::test]
async fn a_secret_comes_with_what_to_do_with_it() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["rack", "token", "create", "--name", "r1", "-o", "json"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(serde_json::from_str::<Value>(&run.out).unwrap()["secret"], "one.time");
    assert!(run.err.contains("  hostler-rack join one.time\n"), "{run:?}");
}

#[tokio::test]
async fn of_the_log_a_table_shows_the_end_in_the_order_of_time() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["event", "list", "--limit", "2"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    let (old, new) = (run.out.find("old"), run.out.find("new"));
    assert!(old.is_some() && old < new, "{run:?}");
    assert!(run.err.contains("the newest 2"), "{run:?}");
    assert_eq!(
        region.calls("Events/List")[0].request,
        json!({"page_size": 2, "order_by": "at desc"})
    );
}

#[tokio::test]
async fn a_password_is_typed_where_nobody_sees_it() {
    let region = FakeRegion::start(|call| match call.method.as_str() {
        "Users/Get" | "Users/SetPassword" => {
            Reply::one(json!({"meta": {"id": "u1", "key": "mira"}, "name": "mira"}))
        }
        other => panic!("{other}"),
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let set = ["user", "set-password", "mira"];
    let piped = [&set[..], &["--password-stdin", "-m", "forgotten", "--request-id", "r1"]].concat();
    let run = hostler.run_with(&piped, "correct horse\nnot this\n").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        region.calls("Users/SetPassword")[0].request,
        json!({
            "id": "u1", "password": "correct horse",
            "write": {"request_id": "r1", "message": "forgotten"}
        })
    );
    for (arguments, typed, said) in [
        (set.to_vec(), "correct horse\n", "send it to --password-stdin"),
        ([&set[..], &["--password-stdin"]].concat(), "", "nothing on standard input"),
    ] {
        let run = hostler.run_with(&arguments, typed).await;
        assert_eq!(run.code, 64, "{run:?}");
        assert!(run.err.contains(said), "{run:?}");
    }
    let run = hostler.run_on_terminal(&set, "correct horse\ncorrect horse\n").await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!run.out.contains("correct horse"), "{run:?}");
    let run = hostler.run_on_terminal(&set, "correct horse\ncorrect hose\n").await;
    assert!(run.code != 0 && run.out.contains("two different ones"), "{run:?}");
    assert_eq!(region.calls("Users/SetPassword").len(), 2);
}

#[tokio::test]
async fn a_number_that_was_not_given_is_no_zero() {
    let region = FakeRegion::start(|_| {
        let vlan =
            |vid, mtu| json!({"meta": {"key": "v"}, "fabric": "dc1", "vid": vid, "mtu": mtu});
        Reply::one(json!({"items": [vlan(0, 0), vlan(10, 9000)]}))
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let run = hostler.run(&["vlan", "list"]).await;
    let rows: Vec<Vec<&str>> =
        run.out.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][1..4], ["dc1", "0", "-"], "{run:?}");
    assert_eq!(rows[1][1..4], ["dc1", "10", "9000"], "{run:?}");
}

#[tokio::test]
async fn a_machine_is_made_and_booted_as_one_says_it() {
    let region = FakeRegion::start(|call| {
        let reply = Reply::one(json!({"meta": {"id": "i1", "key": "n1"}, "name": "n1"}));
        match call.method.as_str() {
            "Convergence/Wait" => Reply::one(json!({"settled": true})),
            _ => reply.at("7-1-1"),
        }
    })
    .await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let words = "machine create n1 --mac 52:54:00:12:34:56 --boot-profile debian --request-id r1";
    let run = hostler.run(&words.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(
        region.calls("Machines/Create")[0].request,
        json!({
            "item": {"name": "n1", "boot_profile": "debian"}, "mac": "52:54:00:12:34:56",
            "write": {"request_id": "r1"}
        })
    );
    for (words, item) in [
        ("machine boot-as n1 rescue --wait --request-id r2", json!({"boot_profile": "rescue"})),
        ("machine boot-as n1 --default --wait --request-id r2", json!({})),
    ] {
        let run = hostler.run(&words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.err.contains("it touches no rack"), "{run:?}");
        assert_eq!(
            region.calls("Machines/Update").last().unwrap().request,
            json!({
                "id": "n1", "item": item, "mask": "bootProfile", "write": {"request_id": "r2"}
            })
        );
    }
    for (words, said) in [
        ("machine create", "--name"),
        ("machine create n1 --name n2", "cannot be used with"),
        ("machine boot-as n1", "BOOT_PROFILE"),
        ("machine boot-as n1 rescue --default", "cannot be used with"),
    ] {
        let run = hostler.run(&words.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(run.code, 64, "{run:?}");
        assert!(run.err.contains(said), "{said:?} is not in {run:?}");
    }
}

#[tokio::test]
async fn a_text_of_many_lines_comes_from_a_file() {
    let region = FakeRegion::start(script).await;
    let hostler = Hostler::new(&[("HOSTLER_SERVER", &region.url)]);
    let text = "#!ipxe\necho {name}, at @home\nshell\n";
    std::fs::write(hostler.folder().join("boot.ipxe"), text).unwrap();
    let create = ["boot-profile", "create", "shell", "--target", "script", "--note", "@home"];
    for (from, typed) in [("@boot.ipxe", ""), ("@-", text), (text, "")] {
        let run = hostler.run_with(&[&create[..], &["--script", from]].concat(), typed).await;
        assert_eq!(run.code, 0, "{run:?}");
        let request = region.calls("BootProfiles/Create").last().unwrap().request.clone();
        assert_eq!(request["item"]["script"], text, "{from}");
        assert_eq!(request["item"]["note"], "@home");
    }
    let run = hostler.run(&[&create[..], &["--script", "@gone"]].concat()).await;
    assert_eq!(run.code, 64, "{run:?}");
    assert!(run.err.contains("script: \"gone\" cannot be read: No such file"), "{run:?}");
}
