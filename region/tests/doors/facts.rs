//! Facts are recorded once each, whatever is sent twice.

use hostler_integration_tests::fake_rack::Stream;
use prost::Message;
use proto::v1::{self, from_rack};
use region::{
    db::{Conn, DbError},
    operations::{
        OperationError,
        audit::{self, Entry, Wanted},
        lease,
    },
};
use std::time::Instant;
use uuid::Uuid;

use super::{
    bench::{Doors, admin, doors, eventually, with_doors},
    support::on_both,
};

/// Fact `number` about 10.0.0.HOST, on a VLAN of region's.
pub(super) fn fact(vlan: &str, number: u64, host: u8, state: v1::LeaseState) -> v1::LeaseFact {
    v1::LeaseFact {
        number,
        vlan: vlan.into(),
        address: vec![10, 0, 0, host],
        state: state.into(),
        hardware_type: 1,
        hardware: vec![2, 0, 0, 0, 0, host],
        host_name: b"db\x1b1".to_vec(),
        started_at: 1_000_000,
        ends_at: 601_000_000,
        ..v1::LeaseFact::default()
    }
}

pub(super) async fn send(
    stream: &Stream,
    leases: Vec<v1::LeaseFact>,
    snapshot: Option<v1::Snapshot>,
) {
    stream.send(from_rack::Message::Facts(batch(leases, snapshot))).await.unwrap();
}

fn batch(leases: Vec<v1::LeaseFact>, snapshot: Option<v1::Snapshot>) -> v1::FactBatch {
    v1::FactBatch {
        class: v1::FactClass::Lease.into(),
        sent_at: 1_000_000,
        leases,
        snapshot,
        boots: Vec::new(),
    }
}

pub(super) async fn vlan(doors: &Doors) -> String {
    let vlans: Vec<v1::Vlan> = doors.list("vlan").await;
    vlans[0].meta.clone().unwrap().id
}

/// Address and state of every lease.
async fn leases(doors: &Doors) -> Vec<(String, String)> {
    let leases: Vec<v1::Lease> = doors.list("lease").await;
    leases.into_iter().map(|lease| (lease.address, lease.state)).collect()
}

async fn events(doors: &Doors) -> Vec<String> {
    let log = doors.log().await.into_iter().filter(|event| event.kind == "lease");
    log.map(|event| format!("{} {}", event.name, event.key)).collect()
}

use v1::LeaseState::{Bound, Released};

#[tokio::test(flavor = "multi_thread")]
async fn each_fact_is_recorded_once_through_duplicates_and_reconnects() {
    with_doors(async |doors| {
        let (mut rack, mut stream) = doors.serving_rack().await;
        let vlan = vlan(doors).await;
        assert_eq!(stream.hello.recorded[0].number, 0);
        let mut renewal = fact(&vlan, 2, 100, Bound);
        renewal.ends_at += 300_000_000;
        let first = vec![fact(&vlan, 1, 100, Bound), renewal, fact(&vlan, 3, 101, Bound)];
        send(&stream, first.clone(), None).await;
        assert_eq!(stream.recorded().await.unwrap(), 3);
        // Sent again, as after a lost acknowledgement, alone and with one that is new.
        send(&stream, first.clone(), None).await;
        assert_eq!(stream.recorded().await.unwrap(), 3);
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        assert_eq!(stream.hello.recorded[0].number, 3);
        let more = [first, vec![fact(&vlan, 7, 101, Released)]].concat();
        send(&stream, more, None).await;
        assert_eq!(stream.recorded().await.unwrap(), 7);
        let expected =
            ["lease.bound 10.0.0.100", "lease.bound 10.0.0.101", "lease.released 10.0.0.101"];
        assert_eq!(events(doors).await, expected);
        let state = |host: u8, state: &str| (format!("10.0.0.{host}"), state.to_owned());
        assert_eq!(leases(doors).await, [state(100, "bound"), state(101, "released")]);
        let known: Vec<v1::Lease> = doors.list("lease").await;
        assert_eq!((known[0].subnet.as_str(), known[0].rack.as_str()), ("10.0.0.0/24", "r1"));
        assert_eq!(known[0].host_name, "db\\x1b1");
        // By region's clock: the rack's says 1970.
        let now = doors.clock.now().seconds();
        let ends = known[0].ends_at.unwrap().seconds;
        assert!((now + 800..=now + 900).contains(&ends), "{ends} at {now}");
        // A rack that lost its disk numbers its facts anew.
        rack.incarnation = Uuid::new_v4();
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        assert_eq!(stream.hello.recorded[0].number, 0);
        send(&stream, vec![fact(&vlan, 1, 102, Bound)], None).await;
        assert_eq!(stream.recorded().await.unwrap(), 1);
        assert_eq!(events(doors).await.last().unwrap(), "lease.bound 10.0.0.102");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_snapshot_does_not_name_is_gone() {
    with_doors(async |doors| {
        let (rack, mut stream) = doors.serving_rack().await;
        let vlan = vlan(doors).await;
        let bound = |number, host| fact(&vlan, number, host, Bound);
        send(&stream, vec![bound(1, 100), bound(2, 101), bound(3, 102)], None).await;
        stream.recorded().await.unwrap();
        let page = |first, last| Some(v1::Snapshot { first, last, upto: 50 });
        send(&stream, vec![bound(1, 100)], page(true, false)).await;
        assert_eq!(stream.recorded().await.unwrap(), 3);
        // The stream breaks, and the snapshot begins anew.
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        send(&stream, vec![bound(2, 101)], page(true, false)).await;
        assert_eq!(stream.recorded().await.unwrap(), 3);
        send(&stream, vec![bound(40, 103)], page(false, true)).await;
        assert_eq!(stream.recorded().await.unwrap(), 50);
        let state = |host: u8, state: &str| (format!("10.0.0.{host}"), state.to_owned());
        let expected = [
            state(100, "expired"),
            state(101, "bound"),
            state(102, "expired"),
            state(103, "bound"),
        ];
        assert_eq!(leases(doors).await, expected);
        let collapsed = doors.told("facts.collapsed").await;
        assert_eq!(collapsed.len(), 1);
        assert!(collapsed[0].1.ends_with(": 2"), "{collapsed:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_ends_a_lease_through_the_rack_that_gave_it() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        let vlan = vlan(doors).await;
        send(&stream, vec![fact(&vlan, 1, 100, Bound)], None).await;
        stream.recorded().await.unwrap();
        let write = v1::Write { message: "moved out".into(), ..v1::Write::default() };
        for (refused, expected) in
            [("", None), ("there is no such lease", Some("there is no such lease"))]
        {
            let answer = async {
                let request = stream.request().await.unwrap();
                let refused = refused.to_owned();
                stream
                    .send(from_rack::Message::Answer(v1::Answer { id: request.id, refused }))
                    .await
                    .unwrap();
                request
            };
            let actor = admin();
            let release = lease::release(doors.region(), &actor, "10.0.0.100", &write);
            let (released, request) = tokio::join!(release, answer);
            let asked =
                v1::ReleaseLeaseRequest { vlan: vlan.clone(), address: "10.0.0.100".into() };
            assert_eq!(request.request, Some(v1::request::Request::ReleaseLease(asked)));
            match expected {
                None => released.unwrap(),
                Some(why) => assert!(released.unwrap_err().to_string().contains(why)),
            }
        }
        // Only what the rack has done is in the trail.
        let trail = trail(doors).await;
        assert_eq!(trail.len(), 1, "{trail:?}");
        let Entry { kind, key, change, .. } = &trail[0];
        assert_eq!([kind, key, &change.verb], ["lease", "10.0.0.100", "release"]);
        assert_eq!([&change.actor, &change.message], ["test", "moved out"]);
        let states = [&change.before, &change.after]
            .map(|lease| v1::Lease::decode(lease.as_slice()).unwrap().state);
        assert_eq!(states, ["bound", "released"]);
        drop(stream);
        eventually("the stream's end", async || doors.region().racks.sessions().is_empty()).await;
        let away =
            lease::release(doors.region(), &admin(), "10.0.0.100", &write).await.unwrap_err();
        assert!(away.to_string().contains("no stream"), "{away}");
    })
    .await;
}

/// What was done to leases by operators.
async fn trail(doors: &Doors) -> Vec<Entry> {
    let wanted = Wanted { limit: 100, ..Wanted::default() };
    let read = doors.region().db.read(move |conn| audit::newest(conn, &wanted)).await.unwrap();
    read.into_iter().filter(|entry| entry.kind == "lease").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_judged_and_repeated_like_any_write() {
    with_doors(async |doors| {
        let (_rack, mut stream) = doors.serving_rack().await;
        let vlan = vlan(doors).await;
        send(&stream, vec![fact(&vlan, 1, 100, Bound)], None).await;
        stream.recorded().await.unwrap();
        let release = async |write: &v1::Write| {
            lease::release(doors.region(), &admin(), "10.0.0.100", write).await
        };
        let judge = v1::Write { validate_only: true, ..v1::Write::default() };
        release(&judge).await.unwrap();
        let stale = v1::Write { expected_revision: 9, ..judge.clone() };
        assert!(matches!(release(&stale).await, Err(OperationError::Stale { actual: 1, .. })));
        let write = v1::Write { request_id: "once".into(), ..v1::Write::default() };
        let answer = async {
            let id = stream.request().await.unwrap().id;
            let done = v1::Answer { id, ..v1::Answer::default() };
            stream.send(from_rack::Message::Answer(done)).await.unwrap();
        };
        let (released, ()) = tokio::join!(release(&write), answer);
        released.unwrap();
        // Answered at once, without the rack: nobody answers for it here.
        release(&write).await.unwrap();
        assert_eq!(trail(doors).await.len(), 1);
        drop(stream);
        eventually("the rack is away", async || {
            matches!(release(&judge).await, Err(OperationError::Unanswered(_)))
        })
        .await;
    })
    .await;
}

/// A row that the database will not take, whatever the reason.
fn poison(conn: &mut Conn) -> Result<(), DbError> {
    let rule = match conn {
        Conn::Postgres(_) => "ALTER TABLE leases ADD CONSTRAINT poison CHECK (key <> '10.0.0.66')",
        Conn::Sqlite(_) => {
            "CREATE TRIGGER poison BEFORE INSERT ON leases WHEN NEW.key = '10.0.0.66' \
             BEGIN SELECT RAISE(ABORT, 'poison'); END"
        }
    };
    diesel::RunQueryDsl::execute(diesel::sql_query(rule), conn)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fact_that_cannot_be_recorded_stops_only_the_rack_that_sent_it() {
    with_doors(async |doors| {
        let (bad, good) = (doors.rack("r1").await, doors.rack("r2").await);
        doors.network("r1").await;
        let vlan = vlan(doors).await;
        doors.region().db.transaction(poison).await.unwrap();
        let mut healthy = good.connect(good.hello()).await.unwrap();
        // The second time it is the same batch, and no news.
        for attempt in 1..=2_u64 {
            let mut poisoned = bad.connect(bad.hello()).await.unwrap();
            assert_eq!(poisoned.hello.recorded[0].number, 0);
            send(&poisoned, vec![fact(&vlan, 1, 66, Bound)], None).await;
            // What stands behind it must not be acknowledged: that would cover it.
            let behind = batch(vec![fact(&vlan, 2, 67, Bound)], None);
            let _ = poisoned.send(from_rack::Message::Facts(behind)).await;
            let host = u8::try_from(attempt).unwrap();
            send(&healthy, vec![fact(&vlan, attempt, host, Bound)], None).await;
            assert_eq!(healthy.recorded().await.unwrap(), attempt);
            poisoned.ended().await.unwrap();
        }
        let told = doors.told("facts.refused").await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].0 == "r1" && told[0].1.contains("poison"), "{told:?}");
        let bound = ["lease.bound 10.0.0.1", "lease.bound 10.0.0.2"];
        assert_eq!(events(doors).await, bound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clashes_each_time_is_refused_and_holds_nobody_up() {
    with_doors(async |doors| {
        let (bad, good) = (doors.rack("r1").await, doors.rack("r2").await);
        doors.network("r1").await;
        let vlan = vlan(doors).await;
        // Whatever the reason: to the database it looks like two who write the same at once.
        let unique = "CREATE UNIQUE INDEX poison ON leases (host_name) WHERE host_name = 'twin'";
        let poison = move |conn: &mut Conn| {
            diesel::RunQueryDsl::execute(diesel::sql_query(unique), conn)?;
            Ok::<_, DbError>(())
        };
        doors.region().db.transaction(poison).await.unwrap();
        let mut healthy = good.connect(good.hello()).await.unwrap();
        let mut poisoned = bad.connect(bad.hello()).await.unwrap();
        let twin = |number, host| v1::LeaseFact {
            host_name: b"twin".to_vec(),
            ..fact(&vlan, number, host, Bound)
        };
        send(&poisoned, vec![twin(1, 66), twin(2, 67)], None).await;
        send(&healthy, vec![fact(&vlan, 1, 1, Bound)], None).await;
        assert_eq!(healthy.recorded().await.unwrap(), 1);
        poisoned.ended().await.unwrap();
        doors.tells("facts.refused", "up to number 2").await;
        let told = doors.told("facts.refused").await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].0 == "r1" && told[0].1.to_lowercase().contains("unique"), "{told:?}");
        assert_eq!(events(doors).await, ["lease.bound 10.0.0.1"]);
    })
    .await;
}

/// Not a test of right or wrong: prints how many facts a second are recorded.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement; run it in release with --nocapture"]
async fn facts_a_second() {
    const BATCHES: u64 = 20;

    on_both(async |world| {
        let doors = doors(world).await;
        doors.network(&doors.rack("r0").await.name).await;
        let vlan = vlan(&doors).await;
        let mut racks = Vec::new();
        for number in 1..=2 {
            racks.push(doors.rack(&format!("r{number}")).await);
        }
        let start = Instant::now();
        let sending = async |at: usize| {
            let rack = &racks[at];
            let mut stream = rack.connect(rack.hello()).await.unwrap();
            let mut upto = 0;
            for batch in 0..BATCHES {
                let facts = (0..512).map(|place| {
                    let number = batch * 512 + place + 1;
                    let mut fact = fact(&vlan, number, 0, Bound);
                    let host = u16::try_from(number % 20_000).unwrap().to_be_bytes();
                    fact.address = vec![10, u8::try_from(at).unwrap(), host[0], host[1]];
                    fact.started_at = i64::try_from(number).unwrap() * 100_000_000;
                    fact
                });
                send(&stream, facts.collect(), None).await;
                // As a rack: at most eight that are not acknowledged, and an acknowledgement may stand for several.
                while batch * 512 >= upto + 7 * 512 {
                    upto = stream.recorded().await.unwrap();
                }
            }
            while upto < BATCHES * 512 {
                upto = stream.recorded().await.unwrap();
            }
        };
        tokio::join!(sending(0), sending(1));
        let facts = racks.len() as f64 * (BATCHES * 512) as f64;
        let kind = if world.url.contains("://") { "PostgreSQL" } else { "SQLite" };
        eprintln!("{kind}: {:.0} facts/s", facts / start.elapsed().as_secs_f64());
        doors.close().await;
    })
    .await;
}
