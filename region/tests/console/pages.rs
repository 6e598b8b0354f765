//! What pages show, and what they never do.

use http::{StatusCode, header};

use crate::{
    browser::form,
    support::{on_both, settled},
};

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

/// The browser's tour is a line for each page: its picture's name, and where it is.
#[test]
fn the_tour_goes_to_every_page() {
    let tour = include_str!("../../../integration-tests/tests/pages/tour.txt");
    let stops: Vec<&str> = tour.lines().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
    assert_eq!(stops.len(), tour.lines().count(), "each line has a name and a path");
    let is = |stop: &str, page: &str| match page.split_once('*') {
        None => stop.strip_prefix(page).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['?', '&']) && !rest.contains("do=")
        }),
        Some((before, verb)) => {
            let key = stop.strip_prefix(before).and_then(|rest| rest.strip_suffix(verb));
            key.is_some_and(|key| !key.is_empty() && (!verb.is_empty() || !key.contains("?do=")))
        }
    };
    let pages = region::ui::pages();
    assert!(pages.len() > 60, "{pages:?}");
    let missed: Vec<_> =
        pages.iter().filter(|page| !stops.iter().any(|stop| is(stop, page))).collect();
    assert!(missed.is_empty(), "no line of tour.txt goes to {missed:?}");
}

/// What has no list of the kind's own leaves as a file too.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_trail_leave_as_files() {
    on_both(async |world| {
        let mut browser = world.signed_in("operator").await;
        // More than one part of a file, of which two are of the same moment.
        for name in ["dc1", "dc2"] {
            browser.post("/fabrics?do=create", &format!("name={name}&message=why,+so")).await;
        }
        for (path, head, row) in [
            ("/events?filter=kind%3Dfabric", "id,key,at,", ",fabric.created,"),
            (
                "/audit?kind=fabric",
                "at,actor,verb,kind,key,",
                ",operator,create,fabric,dc2,,\"why, so\"",
            ),
        ] {
            let csv = browser.get(&format!("{path}&as=csv")).await;
            assert!(csv.body.starts_with(head), "{}", csv.body);
            assert_eq!(csv.body.lines().count(), 3, "{}", csv.body);
            assert!(csv.body.contains(row), "{}", csv.body);
            let json = browser.get(&format!("{path}&as=json")).await.body;
            let json: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
            assert_eq!(json.len(), 2);
        }
        let none = browser.get("/audit?actor=nobody&as=json").await.body;
        assert_eq!(serde_json::from_str::<Vec<String>>(&none).unwrap(), [""; 0]);
        // What is not this visitor's is in no file either.
        let json = browser.get("/audit?as=json").await.body;
        assert!(!json.contains("\"kind\":\"user\""), "{json}");
    })
    .await;
}

/// Whoever opens the address sees what is new since it was marked.
#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_the_log_is_kept_in_the_address() {
    on_both(async |world| {
        let mut browser = world.signed_in("viewer").await;
        world.create("fabric", "name=before").await.unwrap();
        settled(&world.region).await;
        let page = browser.get("/events?filter=kind%3Dfabric").await.body;
        let mark =
            page.split("<a href=\"").find(|rest| rest.contains(">Mark this place<")).unwrap();
        let mark = mark.split('"').next().unwrap().replace("&#38;", "&");
        for (name, new) in [("", 0), ("dc1", 1), ("dc2", 2)] {
            if !name.is_empty() {
                world.create("fabric", &format!("name={name}")).await.unwrap();
                settled(&world.region).await;
            }
            let page = browser.get(&mark).await.body;
            assert!(page.contains(&format!("{new} new since the mark")), "{mark}: {page}");
        }
    })
    .await;
}

/// Its name changes with its content, so a browser asks once.
#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_kept_for_ever_and_another_name_is_none() {
    on_both(async |world| {
        let mut browser = world.signed_in("viewer").await;
        let page = browser.get("/").await.body;
        let assets: Vec<&str> =
            page.split('"').filter(|text| text.starts_with("/assets/")).collect();
        assert_eq!(assets.len(), 3, "style sheet, script, icon");
        for asset in assets {
            let answer = browser.get(asset).await;
            assert_eq!(answer.status, StatusCode::OK);
            let kept = answer.headers[header::CACHE_CONTROL].to_str().unwrap();
            assert_eq!(kept, "public, max-age=31536000, immutable");
            let other = asset.replace("hostler.", "hostler.0");
            assert_eq!(browser.get(&other).await.status, StatusCode::NOT_FOUND);
        }
    })
    .await;
}

/// A file that makes many makes them in one moment, and the trail is read on from between them.
#[tokio::test(flavor = "multi_thread")]
async fn the_trail_forgets_nothing_between_its_pages() {
    on_both(async |world| {
        let mut browser = world.signed_in("operator").await;
        let text: String =
            (0..70).map(|at| format!("---\nkind: fabric\nname: site{at}\n")).collect();
        let plan = browser.upload("/apply?do=plan", &[("text", &text)]).await.input("plan");
        browser.upload("/apply?do=apply", &[("text", &text), ("plan", &plan)]).await;
        let first = browser.get("/audit?kind=fabric").await.body;
        let older = first.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
        let second = browser.get(&older.replace("&#38;", "&").replace("&amp;", "&")).await.body;
        let count = |page: &str| page.matches("href=\"/fabrics/site").count();
        assert_eq!((count(&first), count(&second)), (50, 20));
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
        assert!(!page.contains("aria-current=\"true\""), "{page}");
        let page = browser.get("/subnets/10.0.0.0/24?a=10.0.0.150").await.body;
        let cell = page.split("<a class=\"l\"").nth(1).unwrap().split('>').next().unwrap();
        assert!(cell.contains("aria-current=\"true\""), "{cell}");
        assert_eq!(page.matches("aria-current=\"true\"").count(), 1);
        let overview = browser.get("/").await.body;
        assert!(overview.contains("1 <span class=\"muted\">of 100"), "{overview}");
        let subnets = browser.get("/subnets").await.body;
        assert!(subnets.contains("1 <span class=\"muted\">of 100"), "{subnets}");
        // Who has it is said in the log, too.
        let events = browser.get("/events?filter=kind%3Dlease").await.body;
        assert!(events.contains("kestrel, 52:54:00:00:00:01"), "{events}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_of_thousands_says_who_has_an_address_when_it_is_chosen() {
    on_both(async |world| {
        world.network().await;
        world.create("vlan", "fabric=dc1 vid=11").await.unwrap();
        world.create("subnet", "vrf=default vlan=dc1/11 cidr=10.1.0.0/20").await.unwrap();
        world.leases("dc1/11", &[("10.1.4.7".into(), "kestrel".into())]).await;
        let mut browser = world.signed_in("viewer").await;
        let panel = |page: &str| {
            let (_, panel) = page.split_once("data-map-panel").unwrap();
            panel.split_once("</aside>").unwrap().0.to_owned()
        };
        let page = browser.get("/subnets/10.1.0.0/20").await.body;
        assert!(page.contains("aria-label=\"10.1.4.7 leased\"") && page.contains("data-brief"));
        assert!(!panel(&page).contains("kestrel"), "nothing is chosen yet");
        let chosen = panel(&browser.get("/subnets/10.1.0.0/20?a=10.1.4.7").await.body);
        assert!(chosen.contains("leased, kestrel"), "{chosen}");
        assert!(chosen.contains("href=\"/leases/10.1.4.7\""), "{chosen}");
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
        // What was found otherwise than by its name says by what.
        world.lease("10.0.0.151", "kestrel-2").await;
        let found = browser.get("/find?q=kestrel").await.body;
        assert!(found.contains("lease, kestrel-2</td>"), "{found}");
        let none = browser.get("/find?q=a%26b").await.body;
        assert!(none.contains("/events?filter=key~a%26b"), "{none}");
        let json = browser.get("/find?as=json&q=dc1").await.body;
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let pages: Vec<_> = json.as_array().unwrap().iter().map(|hit| &hit["page"]).collect();
        assert_eq!(pages, ["/fabrics/dc1", "/vlans/dc1/10"]);
    })
    .await;
}
