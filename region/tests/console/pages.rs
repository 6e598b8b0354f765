//! What pages show, and what they never do.

use http::{StatusCode, header};

use crate::{browser::form, support::on_both};

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
            "/machines",
            "/machines?do=create",
            "/interfaces",
            "/boot-attempts",
            "/boot-attempts?filter=outcome%3Dstalled&sort=mac",
            "/boot-profiles",
            "/boot-profiles?do=create",
            "/boot-files",
            "/boot-defaults",
            "/boot-defaults?do=create",
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
        assert!(
            page.contains("aria-label=\"10.0.0.150 leased, kestrel, 52:54:00:00:00:01\""),
            "{page}"
        );
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
