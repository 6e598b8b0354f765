//! What a page costs on the way: with style sheet, script and icon, compressed as browsers take it.

use axum::body::{Body, to_bytes};
use http::{Request, header};
use tower::ServiceExt;

use crate::{
    browser::Browser,
    support::{World, on_both},
};

/// Of any page with all its assets.
const LIMIT: usize = 60_000;

impl Browser {
    async fn weight(&self, path: &str) -> usize {
        let request = Request::builder()
            .uri(path)
            .header(header::ACCEPT_ENCODING, "gzip")
            .header(
                header::COOKIE,
                format!("__Host-session={}", self.cookie.as_deref().unwrap_or_default()),
            )
            .body(Body::empty())
            .unwrap();
        let response = self.routes().oneshot(request).await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        to_bytes(response.into_body(), 10 << 20).await.unwrap().len()
    }
}

/// As much as one page of each list has, and a full map.
async fn crowd(world: &World) {
    world.network().await;
    world.create("vlan", "fabric=dc1 vid=11").await.unwrap();
    let wide = "vrf=default vlan=dc1/11 cidr=10.1.0.0/20 gateway=10.1.0.1";
    world.create("subnet", wide).await.unwrap();
    let range = "subnet=10.1.0.0/20 first=10.1.4.0 last=10.1.15.250 dynamic=true";
    world.create("range", range).await.unwrap();
    for number in 0..60 {
        let at =
            format!("subnet=10.1.0.0/20 address=10.1.1.{number} mac=02:00:00:00:00:{number:02x}");
        world.create("reservation", &at).await.unwrap();
        world.create("fabric", &format!("name=site-{number}")).await.unwrap();
    }
    let held = |number: u32, address: String| (address, format!("machine-{number}.provisioning"));
    let near: Vec<_> = (0..90).map(|at| held(at, format!("10.0.0.{}", 100 + at))).collect();
    let far = (1024..4090).map(|at| held(at, format!("10.1.{}.{}", at / 256, at % 256)));
    world.leases("dc1/10", &near).await;
    world.leases("dc1/11", &far.collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_light() {
    on_both(async |world| {
        crowd(world).await;
        let mut browser = world.signed_in("admin").await;
        let page = browser.get("/").await.body;
        let assets: Vec<&str> = page
            .split(['"'])
            .filter(|text| text.starts_with("/assets/"))
            .collect();
        assert_eq!(assets.len(), 3, "style sheet, script, icon");
        let mut shared = 0;
        for asset in assets {
            shared += browser.weight(asset).await;
        }
        let own = [
            "/leases?columns=mac&columns=client_id&columns=host_name&columns=vlan&columns=subnet&columns=rack&columns=state",
            "/subnets/10.0.0.0/24",
            "/subnets/10.0.0.0/24?do=update",
            "/subnets/10.1.0.0/20",
            "/subnets/10.1.0.0/20?tab=reservations",
            "/vlans/dc1/11",
            "/find?q=1",
        ];
        // Of single resources it is the largest above.
        let all = region::ui::pages().into_iter().filter(|path| !path.contains('*'));
        for path in own.map(str::to_owned).into_iter().chain(all) {
            let weight = shared + browser.weight(&path).await;
            assert!(weight < LIMIT, "{path}: {weight} bytes, {shared} of them assets");
        }
    })
    .await;
}
