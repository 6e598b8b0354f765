//! What the database does when it is asked too much, or is not there.

use region::db::{Db, DbError, OpenError};
use runtime::tasks::Tasks;
use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use crate::support::{World, on_both, postgres};

#[tokio::test(flavor = "multi_thread")]
async fn several_regions_start_on_an_empty_database_at_once() {
    on_both(async |world| {
        let empty = world.empty();
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let empty = empty.clone();
            opening.spawn(async move { crate::support::open(&empty).await });
        }
        let regions = opening.join_all().await;
        let mut epochs = Vec::new();
        for region in &regions {
            epochs.push(region.db.read(region::events::epoch).await.unwrap());
        }
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_waits_too_long_is_told_busy_and_not_away() {
    on_both(async |world: &World| {
        let db = world.region.db.clone();
        let (release, held) = mpsc::sync_channel::<()>(8);
        let held = std::sync::Arc::new(std::sync::Mutex::new(held));
        let mut holders = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (db, held) = (db.clone(), held.clone());
            holders.spawn(async move {
                db.read(move |_| {
                    let _ = held.lock().unwrap().recv();
                    Ok::<_, DbError>(())
                })
                .await
            });
        }
        let started = Instant::now();
        let outcome = loop {
            // Until all eight are in, the ninth still gets a turn.
            match db.read(|_| Ok::<_, DbError>(())).await {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
            assert!(started.elapsed() < Duration::from_secs(30), "never busy");
        };
        assert!(matches!(outcome, DbError::Busy), "{outcome}");
        for _ in 0..8 {
            release.send(()).unwrap();
        }
        for held in holders.join_all().await {
            held.unwrap();
        }
        assert!(db.read(|_| Ok::<_, DbError>(())).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_is_away_and_comes_back() {
    let Some(mut server) = postgres::own(&[]) else { return };
    let tasks = Tasks::new();
    let db = Db::open(&server.database(), &tasks).await.unwrap();
    server.stop();
    let outcome = db.read(region::events::epoch).await;
    assert!(matches!(outcome, Err(DbError::Away(_))), "{outcome:?}");
    server.start();
    assert!(db.read(|conn| region::db::names::find(conn, "vrfs", "default")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_asks_for_tls_never_gets_less() {
    let Some(mut server) = postgres::own(&[]) else { return };
    let plain = server.database();
    let asks = |mode: &str| format!("{plain}?sslmode={mode}");
    let refused = Db::open(&asks("require"), &Tasks::new()).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("speaks no TLS"), "{refused}");
    let refused = Db::open(&asks("prefer"), &Tasks::new()).await.map(drop).unwrap_err();
    assert!(matches!(refused, OpenError::Tls(_)), "{refused}");

    let authority = server.speak_tls();
    let tasks = Tasks::new();
    let db = Db::open(&asks("require"), &tasks).await.unwrap();
    assert_eq!(encrypted(&db).await, "TLSv1.3");
    let verify = |mode: &str, file: &str| asks(&format!("{mode}&sslrootcert={file}"));
    let db = Db::open(&verify("verify-full", &authority), &tasks).await.unwrap();
    assert_eq!(encrypted(&db).await, "TLSv1.3");
    let stranger = postgres::a_certificate();
    for mode in ["verify-ca", "verify-full"] {
        let refused = Db::open(&verify(mode, &stranger), &tasks).await.map(drop).unwrap_err();
        assert!(refused.to_string().contains("no TLS with"), "{refused}");
    }
    assert!(tasks.close(Duration::from_secs(5)).await.is_empty());
}

async fn encrypted(db: &Db) -> String {
    use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        version: String,
    }
    let query = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let read = db.read(move |conn| Ok::<Row, DbError>(sql_query(query).get_result(conn)?));
    read.await.unwrap().version
}
