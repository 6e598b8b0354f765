use super::*;
use aws_lc_rs::digest::{SHA256, digest};
use common::Timestamp;
use std::{collections::HashSet, time::Duration};

fn content(bytes: &[u8]) -> Sha256 {
    Sha256::new(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

async fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(&folder.path().join("files")).await.unwrap(), folder)
}

async fn push(store: &Store, named: Sha256, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
    let claim = store.claim(named).await?;
    let mut upload = claim.resume(offset, offset + bytes.len() as u64).await?;
    for chunk in bytes.chunks(3) {
        upload.write(chunk).await?;
    }
    upload.finish().await
}

#[tokio::test]
async fn what_comes_in_parts_is_whole_in_the_end() {
    let (store, _folder) = store().await;
    let named = content(b"kernel");
    let mut upload = store.claim(named).await.unwrap().resume(0, 6).await.unwrap();
    upload.write(b"kerXX").await.unwrap();
    assert_eq!(upload.at(), 5);
    upload.keep().await.unwrap();
    assert_eq!(store.received(named).await.unwrap(), Received::Part(5));
    let gap = store.claim(named).await.unwrap().resume(6, 6).await.map(drop);
    assert!(matches!(gap, Err(StoreError::Gap { received: 5 })), "{gap:?}");
    assert!(store.read(named).await.unwrap().is_none());
    push(&store, named, 3, b"nel").await.unwrap();
    assert_eq!(store.received(named).await.unwrap(), Received::Whole(6));
    assert_eq!(store.read(named).await.unwrap().unwrap().1, 6);
    // Nothing else is left.
    assert_eq!(std::fs::read_dir(store.folder().join(INCOMING)).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_not_what_it_is_called_is_never_there() {
    let (store, _folder) = store().await;
    let named = content(b"kernel");
    let wrong = push(&store, named, 0, b"kernal").await;
    let found = content(b"kernal");
    assert!(matches!(wrong, Err(StoreError::WrongDigest { found: told }) if told == found));
    assert_eq!(store.received(named).await.unwrap(), Received::Part(0));
    push(&store, named, 0, b"kernel").await.unwrap();
    assert_eq!(store.received(named).await.unwrap(), Received::Whole(6));
}

#[tokio::test]
async fn what_cannot_fit_is_refused_before_it_comes() {
    let (store, _folder) = store().await;
    let claim = store.claim(content(b"kernel")).await.unwrap();
    let refused = claim.resume(0, i64::MAX.cast_unsigned()).await.map(drop);
    assert!(matches!(refused, Err(StoreError::NoRoom { .. })), "{refused:?}");
}

/// Half of them by one region, half by another that has the same folder.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_push_the_same_write_one_after_another() {
    let (store, folder) = store().await;
    let other = Store::open(&folder.path().join("files")).await.unwrap();
    let bytes = vec![7; 100_000];
    let named = content(&bytes);
    let pushing = (0..8).map(|place| {
        let (store, bytes) =
            (if place % 2 == 0 { store.clone() } else { other.clone() }, bytes.clone());
        async move {
            let claim = store.claim(named).await.unwrap();
            match claim.received() {
                Received::Whole(_) => {
                    claim.release().await.unwrap();
                    0
                }
                Received::Part(_) => {
                    let mut upload = claim.resume(0, 100_000).await.unwrap();
                    upload.write(&bytes).await.unwrap();
                    upload.finish().await.unwrap();
                    1
                }
            }
        }
    });
    let written: Vec<i32> = futures_util::future::join_all(pushing).await;
    assert_eq!(written.iter().sum::<i32>(), 1, "{written:?}");
    assert_eq!(store.received(named).await.unwrap(), Received::Whole(100_000));
    assert_eq!(std::fs::read_dir(store.folder().join(INCOMING)).unwrap().count(), 0);
}

#[tokio::test]
async fn what_nothing_names_goes_after_an_hour_and_not_while_it_is_pushed() {
    let (store, _folder) = store().await;
    let [named, unnamed] = [b"a", b"b"].map(|bytes| content(bytes));
    push(&store, named, 0, b"a").await.unwrap();
    push(&store, unnamed, 0, b"b").await.unwrap();
    let names = HashSet::from([named]);
    let minute = |at: i64| Timestamp::from_seconds(1_800_000_000 + at * 60);
    for (at, expected) in [(0, vec![]), (59, vec![]), (60, vec![unnamed])] {
        assert_eq!(store.long_unused(&names, minute(at)).await.unwrap(), expected, "{at}");
    }
    // Somebody is about to name it: the hour begins anew.
    let claim = store.claim(unnamed).await.unwrap();
    assert!(store.claim_unused(unnamed).await.unwrap().is_none());
    claim.use_again().await.unwrap();
    claim.release().await.unwrap();
    assert!(store.claim_unused(unnamed).await.unwrap().is_none());
    assert_eq!(store.long_unused(&names, minute(61)).await.unwrap(), []);
    assert_eq!(store.long_unused(&names, minute(121)).await.unwrap(), [unnamed]);
    store.claim_unused(unnamed).await.unwrap().unwrap().forget().await.unwrap();
    assert_eq!(store.received(unnamed).await.unwrap(), Received::Part(0));
    assert_eq!(store.received(named).await.unwrap(), Received::Whole(1));
    // A name that comes back takes the mark away.
    assert_eq!(store.long_unused(&HashSet::new(), minute(122)).await.unwrap(), []);
    assert_eq!(store.long_unused(&names, minute(130)).await.unwrap(), []);
    assert_eq!(store.long_unused(&HashSet::new(), minute(183)).await.unwrap(), []);
}

#[tokio::test]
async fn parts_wait_a_day_for_their_push() {
    let (store, _folder) = store().await;
    let [old, new] = [b"old", b"new"].map(|bytes| content(bytes));
    for named in [old, new] {
        let mut upload = store.claim(named).await.unwrap().resume(0, 3).await.unwrap();
        upload.write(b"x").await.unwrap();
        upload.keep().await.unwrap();
    }
    let file = std::fs::File::options().write(true).open(store.incoming(old)).unwrap();
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(90_000);
    file.set_modified(long_ago).unwrap();
    let held = store.claim(old).await.unwrap();
    assert_eq!(store.forget_broken().await.unwrap(), 0, "somebody has it");
    drop(held);
    assert_eq!(store.forget_broken().await.unwrap(), 1);
    assert_eq!(store.received(old).await.unwrap(), Received::Part(0));
    assert_eq!(store.received(new).await.unwrap(), Received::Part(1));
}
