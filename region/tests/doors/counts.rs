//! What racks count, and who learns of it.

use hostler_integration_tests::fake_rack::FakeRack;
use proto::v1::{self, from_rack};
use region::operations::convergence;
use std::time::Duration;

use super::{
    bench::{Doors, admin, doors, eventually, open},
    support::on_both,
};

fn counts(offers: u64, waiting: &[(v1::FactClass, u64, u64)]) -> v1::RackCounts {
    let waiting = waiting.iter().map(|(class, count, oldest_seconds)| v1::WaitingFacts {
        class: (*class).into(),
        count: *count,
        oldest_seconds: *oldest_seconds,
    });
    v1::RackCounts { offers, waiting: waiting.collect() }
}

fn state(counts: v1::RackCounts) -> v1::RackState {
    v1::RackState { counts: Some(counts), ..v1::RackState::default() }
}

/// As the operators of this region see them.
async fn known(doors: &Doors, rack: &FakeRack) -> Option<v1::RackCounts> {
    let overview = doors.region().read(&admin(), convergence::overview).await.unwrap();
    let own = overview.racks.into_iter().find(|own| own.rack_id == rack.id);
    own.unwrap().counts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_region_knows_what_a_rack_counts_while_it_is_there() {
    on_both(async |world| {
        let one = doors(world).await;
        let other = open(world, Some(&one.key_file(world)), Duration::from_secs(3600)).await;
        let rack = one.rack("r1").await;
        assert_eq!(known(&other, &rack).await, None);
        // Nothing counted is not the same as not counting.
        let first = counts(0, &[]);
        let hello = v1::RackHello { state: Some(state(first.clone())), ..rack.hello() };
        let stream = rack.connect(hello).await.unwrap();
        for region in [&one, &other] {
            assert_eq!(known(region, &rack).await, Some(first.clone()));
        }
        let (lease, boot) = (v1::FactClass::Lease, v1::FactClass::Boot);
        // Only the latest counts, and nothing of it rings anybody.
        let before = one.log().await.len();
        for told in [counts(1210, &[(lease, 2, 0)]), counts(1215, &[(lease, 12, 3), (boot, 0, 0)])]
        {
            stream.send(from_rack::Message::State(state(told))).await.unwrap();
        }
        let latest = counts(1215, &[(lease, 12, 3), (boot, 0, 0)]);
        for region in [&one, &other] {
            eventually("the latest is known", async || {
                known(region, &rack).await.as_ref() == Some(&latest)
            })
            .await;
        }
        assert_eq!(one.log().await.len(), before);
        drop(stream);
        eventually("it is away", async || known(&other, &rack).await.is_none()).await;
        // The same rack with an earlier version.
        let _stream = rack.connect(rack.hello()).await.unwrap();
        assert_eq!(known(&one, &rack).await, None);
        one.close().await;
        other.close().await;
    })
    .await;
}
