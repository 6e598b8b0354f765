//! What is left of a rack that goes, or comes back without its disk.

use proto::v1::{self, Progress};
use region::{db::rack_rows, resources};
use uuid::Uuid;

use super::{
    bench::{admin, eventually, with_doors},
    configurations::{apply, seen, wait},
    facts::{fact, send, vlan},
    two_regions::rows,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_is_deleted_leaves_its_leases_and_nothing_else() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        let vlan = vlan(doors).await;
        let _scope = apply(&mut stream).await;
        let bound = fact(&vlan, 1, 100, v1::LeaseState::Bound);
        let page = Some(v1::Snapshot { first: true, last: false, upto: 9 });
        send(&stream, vec![bound], page).await;
        stream.recorded().await.unwrap();
        doors.tells("scope.applied", "dhcp dc1/10").await;
        for table in ["rack_sessions", "verdicts", "scopes", "outbox_positions", "snapshot_leases"]
        {
            assert_eq!(rows(doors, table).await, 1, "{table}");
        }
        let cursor = doors.update("vlan", "dc1/10", "primary_rack=").await;
        seen(&mut wait(doors, &cursor).await, Progress::Pending).await;
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
            assert_eq!(rows(doors, table).await, 0, "{table}");
        }
        assert_eq!(rows(doors, "leases").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_loses_its_disk_again_and_again_leaves_no_trail() {
    with_doors(async |doors| {
        let mut rack = doors.rack("r1").await;
        doors.network("r1").await;
        let vlan = vlan(doors).await;
        for host in 100..105 {
            rack.incarnation = Uuid::new_v4();
            let mut stream = rack.connect(rack.hello()).await.unwrap();
            assert_eq!(stream.hello.recorded[0].number, 0);
            send(&stream, vec![fact(&vlan, 1, host, v1::LeaseState::Bound)], None).await;
            assert_eq!(stream.recorded().await.unwrap(), 1);
            // The one before may still have something under way.
            assert!(rows(doors, "outbox_positions").await <= 2);
        }
        // It is the same one still.
        let stream = rack.connect(rack.hello()).await.unwrap();
        assert_eq!(stream.hello.recorded[0].number, 1);
        assert_eq!(rows(doors, "leases").await, 5);
    })
    .await;
}
