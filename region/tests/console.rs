//! The console as a browser meets it: who gets in, what may be written and from where, what a page shows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

#[path = "console/browser.rs"]
mod browser;
mod support;

use browser::{Browser, PASSWORD, form};
use common::Timestamp;
use http::{StatusCode, header};
use region::{Region, operations::user};
use runtime::clock::Clock;
use support::{World, admin, on_both};

const HOUR: i64 = 3600;
const START: i64 = 1_795_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_takes_the_right_password_and_gives_a_cookie_that_stays_here() {
    on_both(async |world| {
        world.user("mira", "operator").await;
        let mut browser = Browser::new(&world.region);
        for (name, password) in [("mira", "wrong"), ("nobody", PASSWORD), ("", "")] {
            let typed = format!("user={name}&password={}", form(password));
            let answer = browser.post("/sign-in", &typed).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
            assert!(answer.body.contains("do not belong together"), "{}", answer.body);
            assert_eq!(browser.cookie, None);
        }
        let typed = format!("user=mira&password={}&next=/subnets%3Fsort%3Dcidr", form(PASSWORD));
        let answer = browser.post("/sign-in", &typed).await;
        assert_eq!(
            (answer.status, answer.leads_to()),
            (StatusCode::SEE_OTHER, "/subnets?sort=cidr")
        );
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(cookie.contains(flag), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        assert_eq!(browser.get("/subnets").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_signs_in_too() {
    on_both(async |world| {
        let secret = world.secret("token", "name=ci role=viewer").await;
        let mut browser = Browser::new(&world.region);
        let answer = browser.post("/sign-in", "token=hostler-guess").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let answer = browser.post("/sign-in", &format!("token={secret}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert!(browser.get("/account").await.body.contains("an API token"));
        world.delete("token", "ci").await.unwrap();
        assert_eq!(browser.get("/account").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_there_is_only_the_sign_in() {
    on_both(async |world| {
        let mut browser = Browser::new(&world.region);
        let answer = browser.get("/subnets?filter=a%3Db").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.leads_to(), "/sign-in?next=/subnets%3Ffilter%3Da%253Db");
        for path in ["/fabrics?do=create", "/fabrics/dc1?do=delete", "/sign-out"] {
            assert_eq!(browser.post(path, "name=x").await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(browser.get("/live").await.status, StatusCode::UNAUTHORIZED);
    })
    .await;
}

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
async fn wrong_passwords_pause_the_name() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let (region, clock) = at(world, START);
        let mut browser = Browser::new(&region);
        for _ in 0..5 {
            let answer = browser.post("/sign-in", "user=mira&password=guess").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let answer = browser.sign_in("mira").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(answer.body.contains("wait"), "{}", answer.body);
        clock.set(Timestamp::from_seconds(START + 61));
        assert_eq!(browser.sign_in("mira").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_plant_a_session() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let mut browser = Browser::new(&world.region);
        browser.cookie = Some("planted".into());
        browser.sign_in("mira").await;
        let first = browser.cookie.clone().unwrap();
        assert_ne!(first, "planted");
        browser.sign_in("mira").await;
        assert_ne!(browser.cookie.as_ref(), Some(&first));
        let mut other = browser.other();
        other.cookie = Some(first);
        assert_eq!(other.get("/subnets").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_unused_and_in_any_case() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let (region, clock) = at(world, START);
        let mut browser = Browser::new(&region);
        browser.sign_in("mira").await;
        // Used every 11 hours it lives on, until the seventh day.
        for hours in [11, 22, 33, 44] {
            clock.set(Timestamp::from_seconds(START + hours * HOUR));
            assert_eq!(browser.get("/subnets").await.status, StatusCode::OK, "{hours}");
        }
        clock.set(Timestamp::from_seconds(START + 56 * HOUR));
        assert_eq!(browser.get("/subnets").await.status, StatusCode::SEE_OTHER);
        browser.sign_in("mira").await;
        for hours in (66..56 + 7 * 24).step_by(10) {
            clock.set(Timestamp::from_seconds(START + hours * HOUR));
            assert_eq!(browser.get("/subnets").await.status, StatusCode::OK, "{hours}");
        }
        clock.set(Timestamp::from_seconds(START + (56 + 7 * 24) * HOUR));
        assert_eq!(browser.get("/subnets").await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_what_they_stand_on() {
    on_both(async |world| {
        world.user("mira", "viewer").await;
        let mut here = Browser::new(&world.region);
        let mut there = here.other();
        let (out, gone) = (StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED);
        let both = async |here: &mut Browser, there: &mut Browser| {
            assert_eq!(here.sign_in("mira").await.status, out);
            assert_eq!(there.sign_in("mira").await.status, out);
            assert_eq!(there.get("/subnets").await.status, StatusCode::OK);
        };
        both(&mut here, &mut there).await;
        assert_eq!(here.post("/sign-out", "").await.status, out);
        assert_eq!(here.get("/subnets").await.status, out);
        assert_eq!(there.get("/subnets").await.status, StatusCode::OK);
        both(&mut here, &mut there).await;
        here.post("/sign-out", "where=everywhere").await;
        assert_eq!(there.get("/subnets").await.status, out);
        both(&mut here, &mut there).await;
        let request = proto::v1::SetPasswordRequest {
            id: "mira".into(),
            password: PASSWORD.into(),
            write: None,
        };
        user::set_password(&world.region, &admin(), request).await.unwrap();
        assert_eq!(there.get("/subnets").await.status, out);
        both(&mut here, &mut there).await;
        world.update("user", "mira", "disabled=true", Default::default()).await.unwrap();
        assert_eq!(there.get("/subnets").await.status, out);
        assert_eq!(there.sign_in("mira").await.status, gone);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_closed_to_what_is_not_ours() {
    on_both(async |world| {
        world.network().await;
        let mut browser = world.signed_in("admin").await;
        for path in [
            "/",
            "/sign-in",
            "/account",
            "/fabrics",
            "/vlans/dc1/10",
            "/subnets?do=create",
            "/subnets/10.0.0.0/24",
            "/subnets/10.0.0.0/24?do=update",
            "/nothing",
            "/users",
            "/fabrics/dc1?do=delete",
            "/subnets?filter=%3Cscript%3E",
        ] {
            let answer = browser.get(path).await;
            let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
            let policy = header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; style-src 'self'"), "{path}");
            assert!(!policy.contains("unsafe"), "{path}");
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("cache-control"), "no-store");
            for inline in ["<style", " style=", "onclick", "javascript:", "<script>", "http://"] {
                assert!(!answer.body.contains(inline), "{path} has {inline}");
            }
        }
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
            "vrf=default&vlan=dc1/10&cidr=10.0.0.0/24&gateway=10.0.0.1&dns_servers=192.0.2.53&managed=false\
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
        assert!(shown.contains("192.0.2.53") && shown.contains("why not"), "{shown}");
        let late = typed.replace(&request, "another").replace("192.0.2.53", "192.0.2.54");
        for verb in ["preview", "update"] {
            let answer = browser.post(&format!("{page}?do={verb}"), &late).await;
            assert_eq!(answer.status, StatusCode::CONFLICT);
            assert_eq!(answer.input("dns_servers"), "192.0.2.54");
            assert_eq!(answer.input("revision"), (revision.parse::<i64>().unwrap() + 1).to_string());
        }
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
async fn a_list_leaves_as_a_file_whole() {
    on_both(async |world| {
        let mut browser = world.signed_in("operator").await;
        browser.post("/fabrics?do=create", &format!("name=dc1&note={}", form("=1+1,\"x\""))).await;
        let csv = browser.get("/fabrics?as=csv").await;
        assert!(csv.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/csv"));
        assert!(csv.body.starts_with("id,key,name,note\r\n"), "{}", csv.body);
        assert!(csv.body.contains(",dc1,dc1,\"'=1+1,\"\"x\"\"\"\r\n"), "{}", csv.body);
        let json = browser.get("/fabrics?as=json").await;
        let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(json[0]["note"], "=1+1,\"x\"");
        let none = browser.get("/fabrics?as=json&filter=name%3Dnone").await;
        assert_eq!(serde_json::from_str::<Vec<String>>(&none.body).unwrap(), [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_is_text() {
    on_both(async |world| {
        let mut browser = world.signed_in("operator").await;
        let evil = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
        browser.post("/fabrics?do=create", &format!("name=dc1&note={}", form(evil))).await;
        for path in [
            "/fabrics?columns=note",
            "/fabrics/dc1",
            "/fabrics/dc1?do=update",
            &format!("/fabrics?filter={}", form(evil)),
            &format!("/{}", form(evil)),
            &format!("/fabrics/{}", form(evil)),
        ] {
            let body = browser.get(path).await.body;
            assert!(!body.contains("<script>alert") && !body.contains("<img src=x"), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_opens_and_nothing_on_it_is_anybodys_code() {
    on_both(async |world| {
        world.network().await;
        world.lease("10.0.0.150", "</td><script>alert(1)</script>").await;
        let mut browser = world.signed_in("admin").await;
        for path in [
            "/",
            "/events",
            "/events?filter=kind%3Dsubnet",
            "/events?filter=nonsense%3D1",
            "/audit",
            "/audit?actor=test",
            "/system",
            "/racks",
            "/leases",
            "/leases/10.0.0.150",
            "/users/admin",
            "/leases?columns=host_name&columns=mac",
            "/find?q=10.0.0",
            "/subnets/10.0.0.0/24?a=10.0.0.150",
            "/subnets/10.0.0.0/24?tab=ranges",
            "/subnets/10.0.0.0/24?tab=reservations",
            "/subnets/10.0.0.0/24?tab=options",
            "/subnets/10.0.0.0/24?tab=changes",
            "/rack-tokens",
            "/ranges/10.0.0.100-10.0.0.199",
            "/tokens?do=create",
            "/users/admin?do=set-password",
            "/leases/10.0.0.150?do=release",
            "/vrfs",
            "/account",
        ] {
            let answer = browser.get(path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
            assert!(!answer.body.contains("<script>alert"), "{path}");
            assert!(answer.body.contains("<h1>") && answer.body.contains("</html>"), "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_shows_in_its_subnets_map() {
    on_both(async |world| {
        world.network().await;
        world.lease("10.0.0.150", "kestrel").await;
        let mut browser = world.signed_in("viewer").await;
        let page = browser.get("/subnets/10.0.0.0/24").await.body;
        assert!(page.contains("data-what=\"leased, kestrel, 52:54:00:00:00:01\""), "{page}");
        assert!(page.contains("1 of 100"), "{page}");
        let overview = browser.get("/").await.body;
        assert!(overview.contains("1 <span class=\"muted\">of 100"), "{overview}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_box_finds_what_has_a_name() {
    on_both(async |world| {
        world.network().await;
        world.lease("10.0.0.150", "kestrel").await;
        let mut browser = world.signed_in("viewer").await;
        for (typed, expected) in [
            ("52:54:00:00:00:01", "/leases/10.0.0.150"),
            ("kestrel", "/leases/10.0.0.150"),
            ("10.0.0.0/24", "/subnets/10.0.0.0/24"),
            ("10.0.0.7", "/subnets/10.0.0.0/24"),
            ("dc1/10", "/vlans/dc1/10"),
        ] {
            let answer = browser.get(&format!("/find?q={}", form(typed))).await;
            assert_eq!(answer.leads_to(), expected, "{typed}");
        }
        let json = browser.get("/find?as=json&q=dc1").await.body;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let pages: Vec<_> = json.as_array().unwrap().iter().map(|hit| &hit["page"]).collect();
        assert_eq!(pages, ["/fabrics/dc1", "/vlans/dc1/10"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_set_on_its_page() {
    on_both(async |world| {
        world.create("user", "name=otto role=viewer").await.unwrap();
        let mut admin = world.signed_in("admin").await;
        let page = "/users/otto?do=set-password";
        let answer = admin.post(page, "password=short").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("at least 12 characters"), "{}", answer.body);
        let mut otto = admin.other();
        assert_eq!(otto.sign_in("otto").await.status, StatusCode::UNAUTHORIZED);
        let answer = admin.post(page, &format!("password={}", form(PASSWORD))).await;
        assert_eq!(answer.leads_to(), "/users/otto");
        assert_eq!(otto.sign_in("otto").await.status, StatusCode::SEE_OTHER);
        assert_eq!(
            otto.post(page, "password=correct+horse+battery").await.status,
            StatusCode::FORBIDDEN
        );
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

fn at(world: &World, seconds: i64) -> (Region, Clock) {
    let clock = Clock::manual(Timestamp::from_seconds(seconds));
    (Region { clock: clock.clone(), ..world.region.clone() }, clock)
}
