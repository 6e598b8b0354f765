//! What is left of a rack that goes, or comes back without its disk.

use hostler_integration_tests::fake_rack::verdict;
use proto::v1::{self, Progress, VerdictKind};
use region::{db::rack_rows, resources};
use uuid::Uuid;

use super::{
    bench::{admin, doors, eventually},
    configurations::{seen, wait, whole},
    facts::{fact, send, vlan},
    support::on_both,
    two_regions::rows,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_is_deleted_leaves_its_leases_and_nothing_else() {
    on_both(async |world| {
        let doors = doors(world).await;
        let rack = doors.rack("r1").await;
        doors.network("r1").await;
        let vlan = vlan(&doors).await;
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        let scope = whole(&mut stream).await;
        stream.answer(&scope, verdict(VerdictKind::Applied)).await.unwrap();
        let bound = fact(&vlan, 1, 100, v1::LeaseState::Bound);
        let page = Some(v1::Snapshot { first: true, last: false, upto: 9 });
        send(&stream, vec![bound], page).await;
        stream.recorded().await.unwrap();
        doors.tells("scope.applied", "dhcp dc1/10").await;
        for table in ["rack_sessions", "verdicts", "scopes", "outbox_positions", "snapshot_leases"]
        {
            assert_eq!(rows(&doors, table).await, 1, "{table}");
        }
        let cursor = doors.update("vlan", "dc1/10", "primary_rack=").await;
        seen(&mut wait(&doors, &cursor).await, Progress::Pending).await;
        let (racks, actor) = (resources::by_noun("rack").unwrap(), admin());
        let delete =
            doors.region().write(&actor, move |tx| racks.delete(tx, "r1", &v1::Write::default()));
        delete.await.unwrap();
        stream.ended().await.unwrap();
        // What was under way as it was deleted may have written once more; that is swept up.
        eventually("the stream is noted as ended", async || {
            doors.region().racks.sessions().is_empty()
        })
        .await;
        doors.region().db.transaction(rack_rows::sweep).await.unwrap();
        for table in ["rack_sessions", "verdicts", "scopes", "outbox_positions", "snapshot_leases"]
        {
            assert_eq!(rows(&doors, table).await, 0, "{table}");
        }
        assert_eq!(rows(&doors, "leases").await, 1);
        doors.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_loses_its_disk_again_and_again_leaves_no_trail() {
    on_both(async |world| {
        let doors = doors(world).await;
        let mut rack = doors.rack("r1").await;
        doors.network("r1").await;
        let vlan = vlan(&doors).await;
        for host in 100..105 {
            rack.incarnation = Uuid::new_v4();
            let mut stream = rack.connect(rack.hello()).await.unwrap();
            assert_eq!(stream.hello.recorded[0].number, 0);
            send(&stream, vec![fact(&vlan, 1, host, v1::LeaseState::Bound)], None).await;
            assert_eq!(stream.recorded().await.unwrap(), 1);
            // The one before may still have something under way.
            assert!(rows(&doors, "outbox_positions").await <= 2);
        }
        // It is the same one still.
        let stream = rack.connect(rack.hello()).await.unwrap();
        assert_eq!(stream.hello.recorded[0].number, 1);
        assert_eq!(rows(&doors, "leases").await, 5);
        doors.close().await;
    })
    .await;
}
