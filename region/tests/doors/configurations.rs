//! What racks are told, what they answer, and how an operator learns of it.

use common::{Id, MacAddr, Timestamp};
use hostler_integration_tests::fake_rack::{Scope, Stream, verdict};
use plan::{Reservation, Subnet, dhcp::Octets};
use proto::{
    convert::rack_config::{decode, digest},
    v1::{self, Progress, VerdictKind, convergence_client::ConvergenceClient},
};
use region::{
    db::{
        DbError, Target,
        condition::Condition,
        stored::{Query, Saved, Stored},
    },
    events::{self, Cursor, NewEvent},
    operations::token,
};
use std::{sync::mpsc, time::Duration};
use tokio::task::JoinSet;
use tonic::Streaming;
use uuid::Uuid;

use super::{
    bench::{Doors, LIMIT, bearing, doors, open, with_doors},
    support::on_both,
};

pub(super) async fn wait(doors: &Doors, cursor: &Cursor) -> Streaming<v1::WaitProgress> {
    let secret = token::create_admin(doors.region(), None).await.unwrap();
    let mut client = ConvergenceClient::new(doors.operators().await);
    let question = || v1::WaitRequest { cursor: cursor.to_string() };
    let denied = client.wait(question()).await.unwrap_err();
    assert_eq!(denied.code(), tonic::Code::Unauthenticated);
    client.wait(bearing(secret.expose(), question())).await.unwrap().into_inner()
}

/// What a waiting operator sees, each scope's progress as it comes; ends when it has settled or seen `until`.
pub(super) async fn seen(
    waiting: &mut Streaming<v1::WaitProgress>,
    until: Progress,
) -> Vec<v1::ScopeProgress> {
    let mut all = Vec::new();
    loop {
        let next = tokio::time::timeout(LIMIT, waiting.message()).await.unwrap().unwrap().unwrap();
        let stop = next.settled || next.scopes.iter().any(|scope| scope.progress() == until);
        all.extend(next.scopes);
        if stop {
            return all;
        }
    }
}

pub(super) fn vlan(scope: &Scope) -> v1::DhcpVlan {
    decode(&scope.content).unwrap();
    let content: v1::ScopeConfig = prost::Message::decode(scope.content.as_slice()).unwrap();
    match content.scope.unwrap() {
        v1::scope_config::Scope::Dhcp(vlan) => vlan,
        v1::scope_config::Scope::Boot(boot) => panic!("{boot:?}"),
    }
}

pub(super) fn number(scope: &Scope) -> u64 {
    scope.last.generation.unwrap().number
}

pub(super) fn options(scope: &Scope) -> Vec<(String, String)> {
    let options = vlan(scope).subnets[0].options.clone();
    options.into_iter().map(|option| (option.name, option.value)).collect()
}

/// Scopes until the whole network has arrived: each change on the way may come by itself.
pub(super) async fn whole(stream: &mut Stream) -> Scope {
    loop {
        let scope = stream.scope().await.unwrap();
        if vlan(&scope).subnets.first().is_some_and(|subnet| !subnet.ranges.is_empty()) {
            return scope;
        }
    }
}

/// The same, which the rack says that it serves.
pub(super) async fn apply(stream: &mut Stream) -> Scope {
    let scope = whole(stream).await;
    stream.answer(&scope, verdict(VerdictKind::Applied)).await.unwrap();
    scope
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_to_the_rack_and_its_verdict_to_the_operator() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        let first = whole(&mut stream).await;
        assert_eq!(vlan(&first).name, "dc1/10");
        assert_eq!(vlan(&first).role(), v1::RackRole::Primary);
        let expected = [("routers", "10.0.0.1"), ("interface-mtu", "1500")];
        assert_eq!(options(&first), expected.map(|(name, value)| (name.into(), value.into())));
        stream.answer(&first, verdict(VerdictKind::Applied)).await.unwrap();
        doors.tells("scope.applied", "dhcp dc1/10 at ").await;

        let cursor = doors.update("subnet", "10.0.0.0/24", "dns_servers=10.0.0.53").await;
        let mut waiting = wait(doors, &cursor).await;
        let second = stream.scope().await.unwrap();
        assert_eq!(number(&second), number(&first) + 1);
        assert!(options(&second).contains(&("domain-name-servers".into(), "10.0.0.53".into())));
        stream.answer(&second, verdict(VerdictKind::Applied)).await.unwrap();
        let last = seen(&mut waiting, Progress::Applied).await.pop().unwrap();
        assert_eq!((last.rack.as_str(), last.name.as_str()), ("r1", "dhcp dc1/10"));
        assert_eq!(last.progress(), Progress::Applied);

        let cursor = doors.update("subnet", "10.0.0.0/24", "lease_seconds=60").await;
        let mut waiting = wait(doors, &cursor).await;
        let third = stream.scope().await.unwrap();
        let objection = v1::FieldObjection {
            field: "subnets[0].lease_seconds".into(),
            value: "60".into(),
            rule: "is too short for this rack".into(),
        };
        let refused =
            v1::Verdict { objections: vec![objection.clone()], ..verdict(VerdictKind::Refused) };
        stream.answer(&third, refused).await.unwrap();
        let last = seen(&mut waiting, Progress::Refused).await.pop().unwrap();
        assert_eq!((last.progress(), last.objections), (Progress::Refused, vec![objection]));
        doors.tells("scope.refused", "is too short for this rack").await;

        // A change that touches no rack is settled at once.
        let cursor = doors.update("fabric", "dc1", "note=new").await;
        let settled = wait(doors, &cursor).await.message().await.unwrap().unwrap();
        assert!(settled.settled && settled.scopes.is_empty(), "{settled:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_is_told_what_it_has_not_and_no_more() {
    with_doors(async |doors| {
        let (rack, mut stream) = doors.serving_rack().await;
        let scope = apply(&mut stream).await;
        doors.tells("scope.applied", "dhcp dc1/10").await;
        // What its hello shows to be current does not come again: a change made meanwhile is the first to come.
        let hello = v1::RackHello { state: Some(stream.state()), ..rack.hello() };
        let mut stream = rack.connect(hello.clone()).await.unwrap();
        let cursor = doors.update("vlan", "dc1/10", "primary_rack=").await;
        let withdrawn = stream.scope().await.unwrap();
        assert!(withdrawn.last.withdrawn && withdrawn.content.is_empty());
        assert_eq!(number(&withdrawn), number(&scope) + 1);
        stream.answer(&withdrawn, verdict(VerdictKind::Applied)).await.unwrap();
        let mut waiting = wait(doors, &cursor).await;
        while !waiting.message().await.unwrap().unwrap().settled {}
        // Offline, it is told when it is back; until then the operator sees that it is away.
        drop(stream);
        super::bench::eventually("the stream's end", async || {
            doors.region().racks.sessions().is_empty()
        })
        .await;
        let cursor = doors.update("vlan", "dc1/10", "primary_rack=r1").await;
        let mut waiting = wait(doors, &cursor).await;
        let away = seen(&mut waiting, Progress::Unreachable).await.pop().unwrap();
        assert_eq!(away.progress(), Progress::Unreachable);
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        let again = stream.scope().await.unwrap();
        assert_eq!(again.content, scope.content);
        stream.answer(&again, verdict(VerdictKind::Standby)).await.unwrap();
        let last = seen(&mut waiting, Progress::Standby).await.pop().unwrap();
        assert_eq!(last.progress(), Progress::Standby);
        doors.tells("scope.standby", "dhcp dc1/10 at ").await;
        let hello = v1::RackHello { state: Some(stream.state()), ..rack.hello() };
        drop(rack.connect(hello).await.unwrap());
        assert_eq!(doors.told("scope.standby").await.len(), 1, "once for a generation");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_knows_more_than_the_database_begins_a_new_epoch() {
    with_doors(async |doors| {
        let (rack, mut stream) = doors.serving_rack().await;
        let scope = whole(&mut stream).await;
        let before = stream.hello.epoch;
        stream.answer(&scope, verdict(VerdictKind::Applied)).await.unwrap();
        let mut state = stream.state();
        for status in &mut state.scopes.as_mut().unwrap().items {
            status.offered.as_mut().unwrap().number += 100;
        }
        let hello = v1::RackHello { state: Some(state), epoch: before, ..rack.hello() };
        let mut stream = rack.connect(hello).await.unwrap();
        assert!(stream.hello.epoch > before);
        let again = stream.scope().await.unwrap();
        assert_eq!(again.content, scope.content);
        assert_eq!(again.last.generation.unwrap().epoch, stream.hello.epoch);
        doors.tells("region.epoch", "rolled back").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_comes_from_the_future_begins_no_epoch() {
    with_doors(async |doors| {
        let rack = doors.rack("r1").await;
        let now = u64::try_from(doors.clock.now().seconds()).unwrap();
        let own = rack.connect(rack.hello()).await.unwrap().hello.epoch;
        for epoch in [now + 2 * 86_400, u64::MAX] {
            let refused =
                rack.connect(v1::RackHello { epoch, ..rack.hello() }).await.err().unwrap();
            assert!(format!("{refused:#}").contains("hello.epoch"), "{refused:#}");
            doors.tells("rack.join-refused", &epoch.to_string()).await;
        }
        assert_eq!(rack.connect(rack.hello()).await.unwrap().hello.epoch, own);
        let hello = v1::RackHello { epoch: now + 3600, ..rack.hello() };
        assert!(rack.connect(hello).await.unwrap().hello.epoch > now + 3600);
    })
    .await;
}

/// More than a message may be: as many reservations as a VLAN of a large site has.
async fn crowd(doors: &Doors) {
    doors.create("subnet", "vrf=default vlan=dc1/10 cidr=10.9.0.0/16").await;
    let fill = doors.region().db.transaction(|conn| {
        let subnets = Subnet::load(
            conn,
            Query::all(vec![Condition::equal("key", "10.9.0.0/16".to_owned())]),
        )?;
        for number in 0..4000_u16 {
            let [high, low] = (number + 256).to_be_bytes();
            let value = Reservation {
                subnet: subnets[0].id,
                address: [10, 9, high, low].into(),
                mac: Some(MacAddr::new([2, 0, 0, 0, high, low])),
                client_id: Octets::default(),
                host_name: None,
                next_server: None,
                boot_file: "x".repeat(127).parse().unwrap(),
                options: vec![format!("tz-name={}", "y".repeat(100)).parse().unwrap()],
                note: String::new(),
            };
            let key = value.address.to_string();
            let (revision, created_at, updated_at) = (1, 0, 0);
            let id = Id::new(Uuid::now_v7());
            Reservation::insert(conn, &Saved { id, key, revision, created_at, updated_at, value })?;
        }
        Ok::<_, DbError>(())
    });
    fill.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_larger_than_a_message_comes_in_parts() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        whole(&mut stream).await;
        crowd(doors).await;
        let cursor = doors.update("subnet", "10.9.0.0/16", "lease_seconds=900").await;
        let mut waiting = wait(doors, &cursor).await;
        let scope = loop {
            let scope = stream.scope().await.unwrap();
            if vlan(&scope).subnets.iter().any(|subnet| subnet.reservations.len() == 4000) {
                break scope;
            }
        };
        assert!(scope.content.len() > 1024 * 1024 && scope.parts > 2, "{} parts", scope.parts);
        assert_eq!(digest(&scope.content).to_vec(), scope.last.digest);
        stream.answer(&scope, verdict(VerdictKind::Applied)).await.unwrap();
        let last = seen(&mut waiting, Progress::Applied).await.pop().unwrap();
        assert_eq!(last.progress(), Progress::Applied);
    })
    .await;
}

/// The rack's stream is with one region, the change is made in the other; both reconcile, and no number is taken twice.
#[tokio::test(flavor = "multi_thread")]
async fn two_regions_on_one_database_do_each_other_no_harm() {
    on_both(async |world| {
        let one = doors(world).await;
        let other = open(world, Some(&one.key_file(world)), Duration::from_secs(3600)).await;
        let rack = one.rack("r1").await;
        one.network("r1").await;
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        let mut last = whole(&mut stream).await;
        stream.answer(&last, verdict(VerdictKind::Applied)).await.unwrap();
        for seconds in 60..70 {
            let by = if seconds % 2 == 0 { &one } else { &other };
            let wish = format!("lease_seconds={seconds}");
            let cursor = by.update("subnet", "10.0.0.0/24", &wish).await;
            let mut waiting = wait(by, &cursor).await;
            let scope = stream.scope().await.unwrap();
            assert_eq!(vlan(&scope).subnets[0].lease_seconds, seconds);
            assert_eq!(number(&scope), number(&last) + 1);
            stream.answer(&scope, verdict(VerdictKind::Applied)).await.unwrap();
            let seen = seen(&mut waiting, Progress::Applied).await.pop().unwrap();
            assert_eq!(seen.progress(), Progress::Applied);
            last = scope;
        }
        // A newer stream in the other region takes the place of the older.
        let token = other.token("name=r2").await;
        let second =
            hostler_integration_tests::fake_rack::FakeRack::join(&token, "r2").await.unwrap();
        assert_eq!(second.authority, rack.authority);
        one.close().await;
        other.close().await;
    })
    .await;
}

/// On PostgreSQL an older transaction hides a change from the log's readers, and not from the pass that carries it out. SQLite has one writer.
#[tokio::test(flavor = "multi_thread")]
async fn a_waiter_finds_its_change_behind_an_older_transaction() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        let _first = apply(&mut stream).await;
        let (release, held) = mpsc::sync_channel::<()>(1);
        let (begun, begins) = mpsc::sync_channel::<()>(1);
        let mut older = JoinSet::new();
        if matches!(doors.region().db.target(), Target::Postgres(_)) {
            let db = doors.region().db.clone();
            older.spawn(async move {
                let hold = db.transaction(move |conn| {
                    let event = NewEvent::plain(Timestamp::default(), "rack.renewed", "test", "");
                    events::append(conn, &event)?;
                    begun.send(()).unwrap();
                    held.recv().unwrap();
                    Ok::<_, DbError>(())
                });
                hold.await.unwrap();
            });
            tokio::task::block_in_place(|| begins.recv().unwrap());
        }
        let cursor = doors.update("subnet", "10.0.0.0/24", "lease_seconds=900").await;
        // Who waits asks for a pass.
        let mut waiting = wait(doors, &cursor).await;
        let second = stream.scope().await.unwrap();
        stream.answer(&second, verdict(VerdictKind::Applied)).await.unwrap();
        let _ = release.send(());
        older.join_all().await;
        let last = seen(&mut waiting, Progress::Applied).await.pop();
        assert_eq!(last.unwrap().name, "dhcp dc1/10");
    })
    .await;
}
