//! A stream whose region was killed: the others close it once nobody has spoken for it long enough.

use plan::Rack;
use proto::v1;
use region::{
    config::Config,
    db::sessions,
    operations::{self, session},
    reconcile::{Context, liveness},
};
use uuid::Uuid;

use crate::support::{World, admin, log, on_both};

/// As a region does that is killed right after.
async fn open_and_die(world: &World) -> common::RackId {
    let actor = admin();
    let rack = world.region.write(&actor, |tx| {
        let rack = Rack::new("r1".parse().unwrap());
        operations::adopt(tx, rack, "rack.joined", "").map(|saved| saved.id.cast())
    });
    let rack = rack.await.unwrap();
    let opening = session::Opening {
        rack,
        session: Uuid::now_v7(),
        incarnation: Uuid::new_v4(),
        address: "192.0.2.1".into(),
        hello: v1::RackHello::default(),
    };
    session::open(&world.region, opening).await.unwrap();
    rack
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_speaks_for_is_unreachable_after_fifteen_seconds() {
    on_both(async |world| {
        let rack = open_and_die(world).await;
        let start = world.region.clock.now();
        for (seconds, connected) in [(0, true), (14, true), (16, false)] {
            world.region.clock.set(start.shifted(seconds * 1_000_000));
            let Config { events: keep, audit, .. } = Config::default();
            let context = Context { region: world.region.clone(), keep, audit };
            liveness::run(context).await.unwrap();
            let row = world.region.db.read(move |conn| sessions::find(conn, rack)).await.unwrap();
            assert_eq!(row.unwrap().connected, connected, "after {seconds} s");
        }
        let (events, _) = log(world).await;
        let ended = events.iter().filter(|event| event.name == "rack.disconnected");
        assert_eq!(ended.count(), 1);
    })
    .await;
}
