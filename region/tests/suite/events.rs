//! The log neither skips nor repeats a row, whoever writes, reads, restarts or forgets meanwhile.

use common::{Epoch, Timestamp};
use diesel::{RunQueryDsl, sql_query};
use region::{
    Region,
    db::{Conn, DbError, Target},
    events::{
        self, Cursor, FollowError, Follower, NewEvent,
        retention::{self, Keep},
    },
};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, mpsc::sync_channel},
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet};

use crate::support::{World, log, on_both, settled};

const LIMIT: Duration = Duration::from_secs(60);
const WRITERS: u64 = 4;
const EACH: u64 = 60;

/// One transaction: some write twice, some take their time, some come to nothing.
async fn write(region: &Region, name: String, step: u64) {
    let written = region.db.transaction(move |conn| {
        for part in ["a", "b"].into_iter().take(1 + (step % 2) as usize) {
            let detail = format!("{name} {step} {part}");
            events::append(
                conn,
                &NewEvent::plain(Timestamp::default(), "lease.bound", "test", &detail),
            )?;
        }
        std::thread::sleep(Duration::from_millis([0, 0, 12, 3][(step % 4) as usize]));
        match step % 5 {
            0 => Err(DbError::Busy),
            _ => Ok(()),
        }
    });
    // Those of each fifth step are rolled back on purpose.
    assert_eq!(written.await.is_ok(), !step.is_multiple_of(5));
    region.log.ring();
}

fn committed() -> usize {
    let each = (0..EACH).filter(|step| step % 5 != 0).map(|step| 1 + (step % 2) as usize);
    each.sum::<usize>() * WRITERS as usize
}

/// What a reader saw that starts anew from its last cursor every `stride` events.
async fn read(region: Region, from: Cursor, stride: usize) -> Vec<(Cursor, String)> {
    let mut seen: Vec<(Cursor, String)> = Vec::new();
    let mut follower = region.log.follow(from);
    while seen.len() < committed() {
        let event = follower.next().await.unwrap();
        seen.push((event.cursor, event.detail.clone()));
        if seen.len().is_multiple_of(stride) {
            follower = region.log.follow(event.cursor);
        }
    }
    let more = tokio::time::timeout(Duration::from_millis(200), follower.next()).await;
    assert!(more.is_err(), "one more than was committed: {more:?}");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn two_regions_skip_nothing_and_repeat_nothing() {
    on_both(async |world| {
        let regions = [world.region.clone(), world.neighbour().await];
        let (_, start) = log(world).await;
        let mut readers = JoinSet::new();
        for stride in [3, usize::MAX] {
            for region in &regions {
                readers.spawn(read(region.clone(), start, stride));
            }
        }
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let region = regions[(writer % 2) as usize].clone();
            writers.spawn(async move {
                for step in 0..EACH {
                    write(&region, writer.to_string(), step).await;
                }
            });
        }
        writers.join_all().await;
        let seen = tokio::time::timeout(LIMIT, readers.join_all()).await;
        let seen = seen.expect("every reader sees what was committed");
        let distinct: HashSet<_> = seen[0].iter().map(|(_, detail)| detail).collect();
        assert_eq!(distinct.len(), committed());
        assert!(seen[0].is_sorted_by(|a, b| a.0 < b.0), "in the order of their cursors");
        assert!(seen.iter().all(|one| *one == seen[0]), "every reader sees the same order");
    })
    .await;
}

async fn append(world: &World, count: i64, from: i64) -> Vec<Cursor> {
    let written = world.region.db.transaction(move |conn| {
        let cursors = (from..from + count).map(|number| {
            let at = Timestamp::from_seconds(number);
            events::append(conn, &NewEvent::plain(at, "rack.joined", "test", &number.to_string()))
        });
        cursors.collect::<Result<Vec<_>, DbError>>()
    });
    let written = written.await.unwrap();
    settled(&world.region).await;
    world.region.log.ring();
    written
}

async fn append_at_once(world: &World, from: i64, to: i64) {
    let written = world.region.db.transaction(move |conn| {
        let details: Vec<String> = (from..=to).map(|number| number.to_string()).collect();
        let new = |detail| NewEvent::plain(Timestamp::default(), "rack.joined", "test", detail);
        let all: Vec<_> = details.iter().map(|detail| new(detail)).collect();
        events::append_many(conn, &all)
    });
    written.await.unwrap();
    world.region.log.ring();
}

async fn next(follower: &mut Follower) -> Result<String, FollowError> {
    let next = tokio::time::timeout(LIMIT, follower.next()).await.expect("an event comes");
    next.map(|event| event.detail.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_falls_behind_reads_the_database_and_goes_on() {
    on_both(async |world| {
        let mut slow = world.region.log.follow_from_now().await.unwrap();
        let mut quick = world.region.log.follow_from_now().await.unwrap();
        append(world, 1, 0).await;
        assert_eq!(next(&mut slow).await.unwrap(), "0");
        assert!(slow.is_current());
        append_at_once(world, 1, 6000).await;
        for expected in 0..6001 {
            assert_eq!(next(&mut quick).await.unwrap(), expected.to_string());
        }
        // The tail holds fewer than these by now.
        for expected in 1..6001 {
            assert_eq!(next(&mut slow).await.unwrap(), expected.to_string());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_or_too_much_goes_and_its_readers_are_told() {
    on_both(async |world| {
        let cursors = append(world, 2500, 0).await;
        let db = &world.region.db;
        let forget = async |keep: Keep| {
            let mut steps = Vec::new();
            while steps.last() != Some(&0) {
                steps
                    .push(db.transaction(move |conn| retention::forget(conn, keep)).await.unwrap());
            }
            steps
        };
        let by_age = Keep { since: Timestamp::from_seconds(1200), most: i64::MAX };
        assert_eq!(forget(by_age).await, [1000, 200, 0]);
        let by_count = Keep { since: Timestamp::default(), most: 1000 };
        assert_eq!(forget(by_count).await, [300, 0]);
        let mut late = world.region.log.follow(cursors[1498]);
        assert!(matches!(next(&mut late).await, Err(FollowError::Compacted { .. })));
        let mut just = world.region.log.follow(cursors[1499]);
        assert_eq!(next(&mut just).await.unwrap(), "1500");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_another_life() {
    on_both(async |world| {
        let before = append(world, 3, 0).await;
        let mut open = world.region.log.follow(before[2]);
        let mut current = world.region.log.follow(before[1]);
        assert_eq!(next(&mut current).await.unwrap(), "2");
        let raised = Epoch(before[0].epoch.0 + 10);
        world.region.db.transaction(move |conn| events::raise_epoch(conn, raised)).await.unwrap();
        append(world, 1, 3).await;
        for old in [&mut open, &mut current] {
            assert!(matches!(next(old).await, Err(FollowError::Compacted { .. })));
        }
        let mut anew = world.region.log.follow(Cursor::start(raised));
        for expected in 0..4 {
            assert_eq!(next(&mut anew).await.unwrap(), expected.to_string());
        }
        let mut ahead = world.region.log.follow(Cursor { epoch: raised, xid: 1 << 60, seq: 1 });
        assert!(matches!(next(&mut ahead).await, Err(FollowError::Compacted { .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_transaction_hides_has_an_age() {
    on_both(async |world| {
        let db = &world.region.db;
        let unread = async || db.read(events::unread_since).await.unwrap();
        let append = |at| {
            move |conn: &mut Conn| {
                events::append(conn, &NewEvent::plain(at, "lease.bound", "test", "")).map(drop)
            }
        };
        settled(&world.region).await;
        assert_eq!(unread().await, None);
        // On SQLite writers wait for each other, and readers see all that is committed.
        if !world.url.contains("://") {
            return;
        }
        let (begun, (end, ended)) = (Arc::new(Notify::new()), sync_channel::<()>(1));
        let (begin, ended) = (begun.clone(), Mutex::new(ended));
        let hold = db.transaction(move |conn: &mut Conn| {
            append(Timestamp::default())(conn)?;
            begin.notify_one();
            let _ = ended.lock().unwrap().recv_timeout(LIMIT);
            Ok::<_, DbError>(())
        });
        let look = async {
            begun.notified().await;
            let at = Timestamp::from_seconds(1_800_000_000);
            db.transaction(append(at)).await.unwrap();
            assert_eq!(unread().await, Some(at));
            end.send(()).unwrap();
        };
        let (held, ()) = tokio::join!(hold, look);
        held.unwrap();
        settled(&world.region).await;
        assert_eq!(unread().await, None);
    })
    .await;
}

/// Restored into another server, whose numbers of transactions are far behind those in the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_server_wrote_stays_before_what_comes() {
    on_both(async |world| {
        if matches!(world.region.db.target(), Target::Sqlite(_)) {
            return;
        }
        let before = append(world, 3, 0).await;
        let age = |conn: &mut Conn| {
            sql_query("UPDATE events SET xid = xid + 1000000000").execute(conn)?;
            Ok::<_, DbError>(())
        };
        world.region.db.transaction(age).await.unwrap();
        let mut epochs = Vec::new();
        for _ in 0..2 {
            let region = world.neighbour().await;
            epochs.push(region.db.read(events::epoch).await.unwrap());
        }
        assert!(epochs[0] > before[0].epoch && epochs[0] == epochs[1], "raised once: {epochs:?}");
        append(world, 2, 3).await;
        let (log, _) = log(world).await;
        let told: Vec<&str> = log.iter().map(|event| event.detail.as_str()).collect();
        assert_eq!(told, ["0", "1", "2", "the database was restored", "3", "4"]);
        assert!(log.is_sorted_by(|a, b| a.cursor < b.cursor));
        let mut late = world.region.log.follow(log[3].cursor);
        assert_eq!(next(&mut late).await.unwrap(), "3");
        let keep = Keep { since: Timestamp::from_seconds(2), most: i64::MAX };
        let forget = world.region.db.transaction(move |conn| retention::forget(conn, keep));
        assert_eq!(forget.await.unwrap(), 2);
    })
    .await;
}
