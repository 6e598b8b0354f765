//! A file on a page: objections with their lines, a plan of all of it, and nothing but the plan.

use http::StatusCode;

use crate::{
    browser::{Answer, Browser},
    support::{World, on_both},
};

const SITE: &str = "kind: fabric
name: dc2
---
kind: vlan
fabric: dc2
vid: 20
note: servers
---
kind: subnet
vrf: default
vlan: dc2/20
cidr: 10.2.0.0/24
gateway: 10.2.0.1
";

async fn fabrics(world: &World) -> Vec<String> {
    world.keys("fabric", Default::default()).await.unwrap().0
}

impl Browser {
    async fn plan(&mut self, text: &str) -> Answer {
        self.upload("/apply?do=plan", &[("text", text), ("file", "")]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_planned_then_applied_whole() {
    on_both(async |world| {
        let mut browser = world.signed_in("operator").await;
        let blank = browser.get("/apply").await;
        assert!(blank.body.contains("enctype=\"multipart/form-data\""), "{}", blank.body);
        // What is chosen counts, and not what is pasted.
        let both = [("text", "kind: fabric\nname: pasted\n"), ("file", SITE)];
        let plan = browser.upload("/apply?do=plan", &both).await;
        assert_eq!(plan.status, StatusCode::OK, "{}", plan.body);
        for expected in [
            "3 to create, 0 to change, 0 as they are",
            "create subnet 10.2.0.0/24",
            "Gateway: 10.2.0.1",
            "Apply 3 changes",
        ] {
            assert!(plan.body.contains(expected), "{expected}: {}", plan.body);
        }
        assert!(!plan.body.contains("pasted"));
        assert!(fabrics(world).await.is_empty(), "a plan saves nothing");
        let again = browser.upload("/apply?do=edit", &[("text", SITE)]).await;
        assert!(again.body.contains("cidr: 10.2.0.0/24"), "{}", again.body);
        let sent = [("text", SITE), ("plan", &plan.input("plan")), ("message", "second site")];
        let done = browser.upload("/apply?do=apply", &sent).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.body);
        assert!(done.body.contains("href=\"/subnets/10.2.0.0/24\""), "{}", done.body);
        assert_eq!(fabrics(world).await, ["dc2"]);
        let trail = browser.get("/audit?kind=vlan").await.body;
        assert!(trail.contains("second site"), "{trail}");
        let same = browser.plan(SITE).await;
        assert!(same.body.contains("Nothing would change"), "{}", same.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_objection_has_its_line() {
    on_both(async |world| {
        world.network().await;
        let mut browser = world.signed_in("operator").await;
        for (text, expected) in [
            ("", &["There is no document in it"][..]),
            (
                "kind: fabric\nname: dc2\n---\nkind: vlan\nvid: ten\n---\nkind: cat\n",
                &["2 objections", "Line 5", "<code>vid: ten</code>", "Line 7", "is none of"],
            ),
            // Judged by region, on what is there already and on what the file itself makes.
            (
                "kind: fabric\nname: dc2\n---\nkind: subnet\nvrf: default\nvlan: dc1/10\ncidr: 10.0.0.128/25\n\
                 ---\nkind: subnet\nvrf: default\nvlan: dc1/10\ncidr: 10.5.0.0/24\ngateway: 10.6.0.1\n",
                &["2 objections", "Line 7", "10.0.0.128/25", "Line 13", "must be inside"],
            ),
        ] {
            let answer = browser.plan(text).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
            for words in expected {
                assert!(answer.body.contains(words), "{words}: {}", answer.body);
            }
            assert!(answer.body.contains("name=\"text\""), "{}", answer.body);
            assert_eq!(fabrics(world).await, ["dc1"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_plan_is_applied() {
    on_both(async |world| {
        world.network().await;
        let mut browser = world.signed_in("operator").await;
        let text = "kind: subnet\nvrf: default\ncidr: 10.0.0.0/24\nvlan: dc1/10\ndns_servers: [192.0.2.53]\n";
        let plan = browser.plan(text).await;
        assert!(plan.body.contains("1 to change"), "{}", plan.body);
        let other = "dns_servers=192.0.2.99";
        world.update("subnet", "10.0.0.0/24", other, Default::default()).await.unwrap();
        let sent = [("text", text), ("plan", &plan.input("plan"))];
        let answer = browser.upload("/apply?do=apply", &sent).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
        assert!(answer.body.contains("192.0.2.99") && answer.body.contains("Nothing was saved"));
        let shown = browser.get("/subnets/10.0.0.0/24?tab=options").await.body;
        assert!(shown.contains("192.0.2.99"), "{shown}");
        let sent = [("text", text), ("plan", &answer.input("plan"))];
        let answer = browser.upload("/apply?do=apply", &sent).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let shown = browser.get("/subnets/10.0.0.0/24?tab=options").await.body;
        assert!(shown.contains("192.0.2.53"), "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_write_applies_no_file() {
    on_both(async |world| {
        let mut viewer = world.signed_in("viewer").await;
        assert_eq!(viewer.get("/apply").await.status, StatusCode::FORBIDDEN);
        assert!(!viewer.get("/").await.body.contains("href=\"/apply\""));
        for verb in ["plan", "apply"] {
            let answer = viewer.upload(&format!("/apply?do={verb}"), &[("text", SITE)]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
        // An operator may, but not this kind; what was typed is still there.
        let mut operator = world.signed_in("operator").await;
        let answer = operator.plan("kind: user\nname: eve\nrole: admin\n").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("needs the role admin"), "{}", answer.body);
        assert!(answer.body.contains("name: eve"), "{}", answer.body);
        let half = operator.post("/apply?do=plan", "text=kind%3A+fabric%0D%0Aname%3A+dc9").await;
        assert_eq!(half.status, StatusCode::OK, "a form without a file is a form");
    })
    .await;
}
