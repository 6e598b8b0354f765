//! What racks count, as pages show it.

use plan::Rack;
use prost::Message;
use proto::v1;
use region::{
    db::sessions,
    operations::{self, session},
};
use std::time::{Duration, Instant};
use uuid::Uuid;

use crate::support::{World, admin, on_both};

/// More than two of the looks that the console takes now and then.
const LIMIT: Duration = Duration::from_secs(30);

impl World {
    /// A rack with an open stream, which is answered; its hello has these counts.
    async fn rack(&self, name: &'static str, counts: Option<v1::RackCounts>) -> Uuid {
        let actor = admin();
        let rack = self.region.write(&actor, move |tx| {
            let rack = Rack::new(name.parse().unwrap());
            operations::adopt(tx, rack, "rack.joined", "").map(|saved| saved.id.cast())
        });
        let state = Some(v1::RackState { counts, ..v1::RackState::default() });
        let session = Uuid::now_v7();
        let opening = session::Opening {
            rack: rack.await.unwrap(),
            session,
            incarnation: Uuid::new_v4(),
            address: "192.0.2.1".into(),
            hello: v1::RackHello { state, ..v1::RackHello::default() },
        };
        session::open(&self.region, opening).await.unwrap();
        session
    }

    /// The stream's next sign of life.
    async fn tell(&self, session: Uuid, counts: &v1::RackCounts) {
        let (now, counts) = (self.region.clock.now(), counts.encode_to_vec());
        let touch = self
            .region
            .db
            .transaction(move |conn| sessions::touch(conn, session, now, Some(&counts)));
        assert!(touch.await.unwrap());
    }
}

fn counts(offers: u64, leases: u64, oldest_seconds: u64) -> v1::RackCounts {
    let class = v1::FactClass::Lease.into();
    let waiting = vec![v1::WaitingFacts { class, count: leases, oldest_seconds }];
    v1::RackCounts { offers, waiting }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_racks_show_what_region_has_not_recorded() {
    on_both(async |world| {
        let session = world.rack("r1", Some(counts(1204, 12, 3))).await;
        world.rack("older", None).await;
        let mut browser = world.signed_in("viewer").await;
        let list = browser.get("/racks").await.body;
        for (rack, expected) in [("r1", ">12, oldest 3 s<"), ("older", ">not known<")] {
            let row = list.split("<tr").find(|row| row.contains(&format!("\"/racks/{rack}\"")));
            assert!(row.unwrap().contains(expected), "{rack}: {list}");
        }
        let page = browser.get("/racks/r1").await.body;
        for (name, value) in [
            ("Offers made", "1,204 since it was started"),
            ("Leases to record", "12 facts wait, oldest 3 s"),
            ("Boots to record", "not known"),
        ] {
            let row = format!("<th scope=\"row\">{name}</th><td>{value}</td>");
            assert!(page.contains(&row), "{row}: {page}");
        }
        let page = browser.get("/racks/older").await.body;
        assert!(page.contains("of a version that does not count"), "{page}");
        // Only what waits for long needs a person.
        let late = "12 facts wait to be recorded, oldest 2 min";
        assert!(!browser.get("/").await.body.contains("to be recorded"));
        world.tell(session, &counts(1204, 12, 120)).await;
        for path in ["/", "/racks", "/racks/r1"] {
            let page = browser.get(path).await.body;
            assert!(page.contains(late), "{path}: {page}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_draws_what_racks_have_offered() {
    on_both(async |world| {
        let mut browser = world.signed_in("viewer").await;
        let tile = |page: &str| {
            let rest = page.split_once("<dt>Offers made</dt><dd>").unwrap().1;
            rest.split_once("</dd>").unwrap().0.to_owned()
        };
        world.rack("older", None).await;
        let page = browser.get("/").await.body;
        assert!(tile(&page).starts_with("not known<"), "none tells: {page}");
        let session = world.rack("r1", Some(counts(1204, 0, 0))).await;
        let page = tile(&browser.get("/").await.body);
        assert!(page.starts_with("0<") && page.contains("without 1 rack<"), "{page}");
        // What it had made before somebody looked is not counted: it goes on until somebody has.
        let (start, mut offers) = (Instant::now(), 1204);
        while tile(&browser.get("/").await.body).starts_with("0<") {
            assert!(start.elapsed() < LIMIT, "no offer is shown");
            offers += 10;
            world.tell(session, &counts(offers, 0, 0)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let shown = tile(&browser.get("/").await.body);
        assert!(!shown.contains("<svg"), "no line of so few minutes: {shown}");
        world.region.clock.set(world.region.clock.now().shifted(4 * 60 * 1_000_000));
        let shown = tile(&browser.get("/").await.body);
        assert!(shown.contains("<polyline class=\"spark\""), "{shown}");
    })
    .await;
}
