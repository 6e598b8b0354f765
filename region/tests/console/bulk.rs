//! Several rows at once: ticked, named, and each told of that did not go.

use http::StatusCode;

use crate::{browser::form, support::on_both};

#[tokio::test(flavor = "multi_thread")]
async fn ticked_leases_are_named_before_they_end() {
    on_both(async |world| {
        world.network().await;
        world.lease("10.0.0.150", "kestrel").await;
        world.lease("10.0.0.151", "plover").await;
        let mut browser = world.signed_in("operator").await;
        for list in ["/leases?sort=-mac", "/subnets/10.0.0.0/24"] {
            let body = browser.get(list).await.body;
            assert!(body.contains("name=\"row\" value=\"10.0.0.150\""), "{list}: {body}");
            assert!(body.contains("name=\"do\" value=\"release\""), "{list}: {body}");
        }
        // As the list sends it, without a script; one of the three is none any more.
        let ticked = "/leases?sort=-mac&row=10.0.0.150&row=10.0.0.151&row=10.0.0.152&do=release";
        let asked = browser.get(ticked).await;
        assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
        for expected in ["Release 2 leases", "kestrel", "plover", "1 of those ticked is over"] {
            assert!(asked.body.contains(expected), "{expected}: {}", asked.body);
        }
        let answer = browser.post(ticked, "confirm=3+leases").await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("must be 2 leases"), "{}", answer.body);
        // No rack is there to end them, and each is told of.
        let confirm = format!("confirm={}", form("2 leases"));
        let answer = browser.post(ticked, &confirm).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.body);
        for expected in ["2 did not end", "10.0.0.150", "10.0.0.151"] {
            assert!(answer.body.contains(expected), "{expected}: {}", answer.body);
        }
        let none = browser.get("/leases?do=release").await;
        assert!(none.body.contains("Nothing is ticked"), "{}", none.body);
        let many: String = (0..201).map(|at| format!("&row={at}")).collect();
        let answer = browser.get(&format!("/leases?do=release{many}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_release_ticks_nothing() {
    on_both(async |world| {
        world.network().await;
        world.lease("10.0.0.150", "kestrel").await;
        let mut viewer = world.signed_in("viewer").await;
        assert!(!viewer.get("/leases").await.body.contains("name=\"row\""));
        let confirm = format!("confirm={}", form("1 lease"));
        let answer = viewer.post("/leases?do=release&row=10.0.0.150", &confirm).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("needs the role operator"), "{}", answer.body);
        // Only what is done to many is.
        let answer = viewer.post("/fabrics?do=release&row=dc1", &confirm).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    })
    .await;
}
