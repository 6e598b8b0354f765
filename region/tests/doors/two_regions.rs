//! Two region processes on one database: a rack's stream is with one of them, and an operator may ask the other.

use common::{
    VlanId,
    request::{Answer, Request},
};
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
use hostler_integration_tests::fake_rack::{FakeRack, Stream};
use proto::v1::{self, from_rack, request};
use region::{
    db::DbError,
    dispatch::AskError,
    operations::{OperationError, request as asking},
};
use std::time::Duration;
use uuid::Uuid;

use super::{
    bench::{Doors, LIMIT, doors, eventually, open},
    support::{World, on_both},
};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

pub(super) async fn rows(doors: &Doors, table: &'static str) -> i64 {
    let count = format!("SELECT count(*) AS count FROM {table}");
    let read = doors
        .region()
        .db
        .read(move |conn| Ok::<Count, DbError>(sql_query(count.clone()).get_result(conn)?));
    read.await.unwrap().count
}

async fn both(world: &World) -> (Doors, Doors) {
    let one = doors(world).await;
    let other = open(world, Some(&one.key_file(world)), Duration::from_secs(3600)).await;
    (one, other)
}

/// A rack that knows where the other region is.
fn at(rack: &FakeRack, doors: &Doors) -> FakeRack {
    let addresses = doors.server.racks.iter().map(ToString::to_string).collect();
    FakeRack { addresses, ..rack.clone() }
}

fn release(host: u8) -> Request {
    Request::ReleaseLease { vlan: VlanId::new(Uuid::nil()), address: [10, 0, 0, host].into() }
}

async fn answers(stream: &mut Stream, refused: &str) -> String {
    let asked = stream.request().await.unwrap();
    let answer = v1::Answer { id: asked.id, refused: refused.into() };
    stream.send(from_rack::Message::Answer(answer)).await.unwrap();
    match asked.request.unwrap() {
        request::Request::ReleaseLease(release) => release.address,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_finds_the_region_that_holds_the_stream() {
    on_both(async |world| {
        let (one, other) = both(world).await;
        let rack = one.rack("r1").await;
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        let id = rack.id.parse().unwrap();
        for (host, refused) in [(100, ""), (101, "there is no such lease")] {
            let ask = asking::ask(other.region(), id, release(host), LIMIT);
            let (answered, asked) = tokio::join!(ask, answers(&mut stream, refused));
            assert_eq!(asked, format!("10.0.0.{host}"));
            let expected = match refused {
                "" => Answer::Done,
                why => Answer::Refused(why.into()),
            };
            assert_eq!(answered.unwrap(), expected);
        }
        assert_eq!(rows(&one, "rack_requests").await, 0);
        // A rack that says nothing: nobody knows.
        let ask = asking::ask(other.region(), id, release(102), Duration::from_secs(3));
        let (silent, asked) = tokio::join!(ask, stream.request());
        assert!(asked.is_ok());
        assert!(matches!(silent, Err(OperationError::Unanswered(AskError::Unknown))), "{silent:?}");
        assert_eq!(rows(&one, "rack_requests").await, 0);
        one.close().await;
        other.close().await;
    })
    .await;
}

/// The row says that some region holds the stream, and that one is gone.
async fn haunt(doors: &Doors) {
    let ghost = Uuid::now_v7().as_bytes().to_vec();
    let update = doors.region().db.transaction(move |conn| {
        let update = sql_query("UPDATE rack_sessions SET session = $1, connected = TRUE");
        Ok::<_, DbError>(update.bind::<sql_types::Binary, _>(ghost.clone()).execute(conn)?)
    });
    assert_eq!(update.await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_never_told_to_a_later_stream() {
    on_both(async |world| {
        let (one, other) = both(world).await;
        let rack = one.rack("r1").await;
        let id = rack.id.parse().unwrap();
        let within = Duration::from_secs(3);
        let never = asking::ask(other.region(), id, release(1), within).await;
        assert!(matches!(never, Err(OperationError::Unanswered(AskError::Unreachable))));
        drop(rack.connect(rack.hello()).await.unwrap());
        eventually("the stream's end", async || one.region().racks.sessions().is_empty()).await;
        haunt(&one).await;
        let ask = asking::ask(other.region(), id, release(2), within);
        let reconnect = async {
            eventually("the request is there", async || rows(&one, "rack_requests").await == 1)
                .await;
            rack.connect(rack.hello()).await.unwrap()
        };
        let (lost, mut stream) = tokio::join!(ask, reconnect);
        assert!(matches!(lost, Err(OperationError::Unanswered(AskError::Unreachable))), "{lost:?}");
        // The first that it hears of is a later one.
        let ask = asking::ask(other.region(), id, release(3), LIMIT);
        let (answered, asked) = tokio::join!(ask, answers(&mut stream, ""));
        assert_eq!(asked, "10.0.0.3");
        answered.unwrap();
        assert_eq!(rows(&one, "rack_requests").await, 0);
        one.close().await;
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stream_with_the_other_region_ends_the_older() {
    on_both(async |world| {
        let (one, other) = both(world).await;
        let rack = one.rack("r1").await;
        let mut older = rack.connect(rack.hello()).await.unwrap();
        let there = at(&rack, &other);
        let newer = there.connect(there.hello()).await.unwrap();
        older.ended().await.unwrap();
        eventually("the older is gone", async || one.region().racks.sessions().is_empty()).await;
        assert_eq!(other.region().racks.sessions().len(), 1);
        // Its end says nothing of the newer.
        let racks: Vec<v1::Rack> = one.list("rack").await;
        assert!(racks[0].connected, "{racks:?}");
        assert_eq!(one.told("rack.disconnected").await, []);
        drop(newer);
        one.close().await;
        other.close().await;
    })
    .await;
}
