//! What may be written, from where, and how a refusal looks.

use http::StatusCode;

use crate::support::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_is_refused() {
    on_both(async |world| {
        let mut browser = world.signed_in("admin").await;
        for headers in [
            vec![("sec-fetch-site", "cross-site".to_owned())],
            vec![("sec-fetch-site", "same-site".to_owned())],
            vec![("origin", "https://evil.example".to_owned())],
            vec![],
        ] {
            browser.headers = headers;
            let answer = browser.post("/fabrics?do=create", "name=evil").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
        }
        browser.headers = vec![("origin", "https://region.example:7240".to_owned())];
        let answer = browser.post("/fabrics?do=create", "name=ours").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(world.keys("fabric", Default::default()).await.unwrap().0, ["ours"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_keeps_what_was_typed_and_shows_every_objection() {
    on_both(async |world| {
        world.network().await;
        let mut browser = world.signed_in("operator").await;
        let typed = "vrf=default&vlan=dc1/99&cidr=10.1.0.300/24&gateway=x&note=kept+as+typed";
        let answer = browser.post("/subnets?do=create", typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("3 objections, all there are"), "{}", answer.body);
        assert!(answer.body.contains("kept as typed"));
        assert_eq!(answer.input("cidr"), "10.1.0.300/24");
        let typed = "vrf=default&vlan=dc1/10&cidr=10.1.0.0/24&gateway=10.2.0.1";
        let answer = browser.post("/subnets?do=create", typed).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("must be inside"), "{}", answer.body);
        let typed = "vrf=default&vlan=dc1/10&cidr=10.1.0.0/24&gateway=10.1.0.1";
        let answer = browser.post("/subnets?do=create", typed).await;
        assert_eq!(answer.leads_to(), "/subnets/10.1.0.0/24", "{}", answer.body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_previewed_then_applied_and_refused_when_another_came_first() {
    on_both(async |world| {
        world.network().await;
        let mut browser = world.signed_in("operator").await;
        let page = "/subnets/10.0.0.0/24";
        let blank = browser.get(&format!("{page}?do=update")).await;
        let (revision, request) = (blank.input("revision"), blank.input("request_id"));
        let typed = format!(
            "vrf=default&vlan=dc1/10&cidr=10.0.0.0/24&gateway=10.0.0.1&dns_servers=192.0.2.53&unmanaged=false\
             &revision={revision}&request_id={request}&message=why+not"
        );
        let preview = browser.post(&format!("{page}?do=preview"), &typed).await;
        assert_eq!(preview.status, StatusCode::OK, "{}", preview.body);
        assert!(preview.body.contains("1 field"), "{}", preview.body);
        assert!(preview.body.contains("192.0.2.53"));
        let shown = browser.get(page).await.body;
        assert!(!shown.contains("192.0.2.53"), "a preview saves nothing");
        let answer = browser.post(&format!("{page}?do=update"), &typed).await;
        assert_eq!(answer.leads_to(), page, "{}", answer.body);
        let shown = browser.get(page).await.body;
        assert!(shown.contains("192.0.2.53"), "{shown}");
        let changes = browser.get(&format!("{page}?tab=changes")).await.body;
        assert!(changes.contains("why not"), "{changes}");
        let late = typed.replace(&request, "another").replace("192.0.2.53", "192.0.2.54");
        for verb in ["preview", "update"] {
            let answer = browser.post(&format!("{page}?do={verb}"), &late).await;
            assert_eq!(answer.status, StatusCode::CONFLICT);
            assert_eq!(answer.input("dns_servers"), "192.0.2.54");
            assert_eq!(answer.input("revision"), (revision.parse::<i64>().unwrap() + 1).to_string());
        }
        // What was not touched is what is saved now: the next try must not take it back.
        let untouched = format!("dns_servers={}", blank.input("dns_servers"));
        let late = late.replace("dns_servers=192.0.2.54", &untouched).replace("10.0.0.1", "10.0.0.2");
        let answer = browser.post(&format!("{page}?do=preview"), &late).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.input("dns_servers"), "192.0.2.53");
        assert_eq!(answer.input("gateway"), "10.0.0.2");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_is_called_by_its_name() {
    on_both(async |world| {
        world.create("fabric", "name=dc2").await.unwrap();
        let mut browser = world.signed_in("operator").await;
        let asked = browser.get("/fabrics/dc2?do=delete").await;
        assert!(asked.body.contains("Type <code>dc2</code>"), "{}", asked.body);
        let answer = browser.post("/fabrics/dc2?do=delete", "confirm=dc3").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        let answer = browser.post("/fabrics/dc2?do=delete", "confirm=dc2").await;
        assert_eq!(answer.leads_to(), "/fabrics");
        assert_eq!(browser.get("/fabrics/dc2").await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_and_does_not_write() {
    on_both(async |world| {
        world.network().await;
        let mut browser = world.signed_in("viewer").await;
        let page = browser.get("/subnets/10.0.0.0/24").await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("do=update") && !page.body.contains("do=delete"));
        for (path, typed) in [
            ("/fabrics?do=create", "name=dc9"),
            ("/fabrics/dc1?do=update", "note=x"),
            ("/fabrics/dc1?do=delete", "confirm=dc1"),
        ] {
            assert_eq!(browser.post(path, typed).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(browser.get("/users").await.status, StatusCode::FORBIDDEN);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_once() {
    on_both(async |world| {
        let mut browser = world.signed_in("admin").await;
        let made = browser.post("/tokens?do=create", "name=ci&role=viewer").await;
        assert_eq!(made.status, StatusCode::OK);
        let secret = made.body.split("hostler-").nth(1).unwrap().split('<').next().unwrap();
        assert!(secret.len() > 40, "{secret}");
        for path in
            ["/tokens/ci", "/tokens", "/audit", "/events", "/tokens?as=json", "/tokens?as=csv"]
        {
            assert!(!browser.get(path).await.body.contains(secret), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_made_with_its_address_and_found_by_it() {
    on_both(async |world| {
        let mut browser = world.signed_in("operator").await;
        let blank = browser.get("/machines?do=create").await;
        assert_eq!((blank.input("mac"), blank.status), (String::new(), StatusCode::OK));
        let typed = "name=n1&mac=52-54-00-12-34-56&architecture=uefi-x64";
        let answer = browser.post("/machines?do=create", typed).await;
        assert_eq!(answer.leads_to(), "/machines/n1", "{}", answer.body);
        // It is not asked for again: an interface is changed by itself.
        let form = browser.get("/machines/n1?do=update").await.body;
        assert!(form.contains("name=\"architecture\"") && !form.contains("name=\"mac\""), "{form}");
        let answer = browser.post("/machines?do=create", "name=n2&mac=52:54:00:12:34:56").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("is n1/eth0&#39;s already"), "{}", answer.body);
        assert_eq!((answer.input("name"), answer.input("mac").len()), ("n2".into(), 17));
        let found = browser.get("/find?q=525400123456").await;
        assert_eq!(found.leads_to(), "/machines/n1", "{}", found.body);
        let typed = "name=shell&target=script&script=%23!ipxe%0D%0Ashell%0D%0A";
        let answer = browser.post("/boot-profiles?do=create", typed).await;
        assert_eq!(answer.leads_to(), "/boot-profiles/shell", "{}", answer.body);
        let shown = browser.get("/boot-profiles/shell?do=update").await.body;
        assert!(shown.contains("#!ipxe\nshell"), "{shown}");
        for page in ["/machines", "/interfaces", "/boot-profiles", "/boot-defaults", "/boot-files"]
        {
            let answer = browser.get(page).await;
            assert_eq!(answer.status, StatusCode::OK, "{page}");
            assert!(answer.body.contains("href=\"/machines\""), "{}", answer.body);
        }
    })
    .await;
}
