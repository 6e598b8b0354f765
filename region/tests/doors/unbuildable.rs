//! A scope that region itself cannot build: nothing is sent, everybody sees why, and it heals.

use diesel::{RunQueryDsl, sql_query, sql_types};
use proto::v1::{self, Progress};
use region::{
    db::DbError,
    events::Cursor,
    operations::{convergence, fleet},
    resources::field::address_bytes,
};
use std::net::IpAddr;

use super::{
    bench::{Doors, admin, with_doors},
    configurations::{apply, options, seen, wait},
};

/// What no operation would save: the end of the one range there is, wherever that lies.
async fn end_range_at(doors: &Doors, last: &str) {
    let last = address_bytes(last.parse::<IpAddr>().unwrap());
    let update = doors.region().db.transaction(move |conn| {
        let update = sql_query("UPDATE ranges SET last = $1");
        Ok::<_, DbError>(update.bind::<sql_types::Binary, _>(last.clone()).execute(conn)?)
    });
    update.await.unwrap();
}

/// Every scope that the change touched, once it has settled.
async fn settled(doors: &Doors, cursor: &Cursor) -> Vec<v1::ScopeProgress> {
    seen(&mut wait(doors, cursor).await, Progress::Unspecified).await
}

/// What a change of the VLAN comes to.
async fn after(doors: &Doors, fields: &str) -> Vec<v1::ScopeProgress> {
    let cursor = doors.update("vlan", "dc1/10", fields).await;
    settled(doors, &cursor).await
}

async fn behind(doors: &Doors) -> Vec<v1::ScopeProgress> {
    let overview = doors.region().read(&admin(), convergence::overview).await.unwrap();
    assert_eq!(overview.current == 0, !overview.racks[0].behind.is_empty());
    overview.racks[0].behind.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_region_cannot_build_is_refused_for_all_to_see_and_heals() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        let first = apply(&mut stream).await;
        doors.tells("scope.applied", "dhcp dc1/10 at ").await;
        assert!(behind(doors).await.is_empty());

        end_range_at(doors, "10.0.1.5").await;
        let refused = after(doors, "mtu=1400").await;
        let expected = v1::FieldObjection {
            field: "subnets[0].ranges[0]".into(),
            value: "10.0.0.100-10.0.1.5".into(),
            rule: "must be inside 10.0.0.0/24, without its network and broadcast addresses".into(),
        };
        assert_eq!(refused.len(), 1);
        assert_eq!((refused[0].rack.as_str(), refused[0].name.as_str()), ("r1", "dhcp dc1/10"));
        assert_eq!(refused[0].progress(), Progress::Refused);
        assert_eq!(refused[0].objections, [expected]);
        assert_eq!(refused[0].good, first.last.generation, "the rack goes on with it");
        assert_eq!(behind(doors).await, refused);
        let members = doors.region().read(&admin(), fleet::fleet).await.unwrap();
        assert!(!members[0].is_current() && members[0].with(Progress::Refused).count() == 1);

        // Whoever changes the same VLAN learns that it is refused, and the event log is not filled with it.
        assert_eq!(after(doors, "mtu=1399").await[0].progress(), Progress::Refused);
        // A change of something else touches nothing.
        let cursor = doors.update("fabric", "dc1", "note=new").await;
        assert_eq!(settled(doors, &cursor).await, []);

        // Taken back, it is as it was: nothing is sent, and who did it is told that the rack has it.
        end_range_at(doors, "10.0.0.200").await;
        let healed = after(doors, "mtu=1500").await;
        assert_eq!(healed.len(), 1);
        assert_eq!(healed[0].progress(), Progress::Applied);
        assert!(behind(doors).await.is_empty());
        assert_eq!(doors.told("scope.refused").await.len(), 1);
        let applied = doors.told("scope.applied").await;
        assert_eq!(applied.len(), 2);
        assert_eq!(applied[0], applied[1]);

        // The next change is the first that the rack hears of.
        doors.update("subnet", "10.0.0.0/24", "dns_servers=10.0.0.54").await;
        let next = stream.scope().await.unwrap();
        assert!(options(&next).contains(&("domain-name-servers".into(), "10.0.0.54".into())));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_could_be_built_is_refused_until_nobody_wants_it() {
    with_doors(async |doors| {
        let _rack = doors.rack("r1").await;
        doors.network("r1").await;
        end_range_at(doors, "10.0.1.5").await;
        let refused = after(doors, "mtu=1400").await;
        assert_eq!(refused[0].progress(), Progress::Refused);
        let cursor = doors.update("vlan", "dc1/10", "primary_rack=").await;
        // The rack was told of it before, perhaps: then it is away, and the operator leaves.
        let left = seen(&mut wait(doors, &cursor).await, Progress::Unreachable).await;
        assert!(left.iter().all(|scope| scope.progress() != Progress::Refused), "{left:?}");
    })
    .await;
}
