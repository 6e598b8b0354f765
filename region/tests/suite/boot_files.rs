//! Boot files come in whole or not at all, and go once nothing names them.

use proto::v1::{
    self, PushRequest, PushStatusRequest, PushStatusResponse, Write,
    boot_file_push_client::BootFilePushClient,
};
use region::{
    Region,
    auth::{Actor, Role},
    boot_store::Store,
    operations::{Tx, boot_file, list},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    World, admin, log, on_both,
    pushing::{begin, chunk, digest_of, first, push, send},
    served_by,
};

/// A region that keeps boot files in a folder of its own.
async fn keeping(world: &World) -> (Region, Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut region = world.region.clone();
    region.boot_files = Some(store.clone());
    (region, store, folder)
}

async fn status(region: &Region, sha256: &str) -> PushStatusResponse {
    let mut client = BootFilePushClient::new(served_by(region, Some(admin())));
    let request = PushStatusRequest { sha256: sha256.into() };
    client.push_status(request).await.unwrap().into_inner()
}

/// Name, content and size of each.
async fn files(region: &Region) -> Vec<(String, String, u64)> {
    let actor = admin();
    let list = |tx: &mut Tx<'_>| list::list::<plan::BootFile>(tx, &v1::ListRequest::default());
    let files = region.read(&actor, list).await.unwrap().items.into_iter();
    files.map(|file| (file.path, file.sha256, file.size)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_broke_goes_on_where_it_was() {
    on_both(async |world| {
        let (region, _, _folder) = keeping(world).await;
        let bytes: Vec<u8> = (0..5000u16).flat_map(u16::to_be_bytes).collect();
        let sha256 = digest_of(&bytes);
        let (to, from) = mpsc::channel(4);
        to.send(first(begin("a/kernel", &bytes))).await.unwrap();
        to.send(chunk(&bytes[..4000])).await.unwrap();
        tokio::select! {
            ended = send(&region, ReceiverStream::new(from)) => panic!("{ended:?}"),
            () = async {
                while status(&region, &sha256).await.received < 4000 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        assert_eq!(files(&region).await, []);
        let there = status(&region, &sha256).await;
        assert_eq!(there, PushStatusResponse { received: 4000, complete: false });
        let rest = v1::PushBegin { offset: 4000, ..begin("a/kernel", &bytes) };
        let parts = vec![first(rest), chunk(&bytes[4000..])];
        let pushed = send(&region, tokio_stream::iter(parts)).await.unwrap();
        assert!(!pushed.unchanged);
        assert_eq!(files(&region).await, [("a/kernel".into(), sha256.clone(), 10_000)]);
        let there = status(&region, &sha256).await;
        assert_eq!(there, PushStatusResponse { received: 10_000, complete: true });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_push_one_file_at_once_both_have_it() {
    on_both(async |world| {
        let (region, store, _folder) = keeping(world).await;
        let bytes = vec![7; 300_000];
        let pushes = ["a", "b", "a", "c"].map(|path| push(&region, path, &bytes));
        for pushed in futures_util::future::join_all(pushes).await {
            assert_eq!(pushed.unwrap().item.unwrap().size, 300_000);
        }
        let file = |path: &str| (path.to_owned(), digest_of(&bytes), 300_000);
        assert_eq!(files(&region).await, [file("a"), file("b"), file("c")]);
        let whole = std::fs::read(store.folder().join(digest_of(&bytes))).unwrap();
        assert!(whole == bytes, "the content is another");
        // It is not sent again: region says that it has it before anything comes.
        let (to, from) = mpsc::channel(1);
        to.send(first(begin("d", &bytes))).await.unwrap();
        let pushed = send(&region, ReceiverStream::new(from)).await.unwrap();
        assert_eq!(pushed.item.unwrap().path, "d");
    })
    .await;
}

/// Field and rule of each refusal.
fn refused(status: &Status) -> Vec<(String, String)> {
    let details = status.get_details_bad_request();
    let violations = details.map(|details| details.field_violations).unwrap_or_default();
    violations.into_iter().map(|one| (one.field, one.description)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_by_field_value_and_rule_and_leaves_nothing() {
    on_both(async |world| {
        let (region, _, _folder) = keeping(world).await;
        let good = || begin("kernel", b"kernel");
        let wrong: [(Vec<PushRequest>, &str, &str); 9] = [
            (vec![chunk(b"kernel")], "begin", "must be the first message"),
            (vec![], "begin", "must be the first message"),
            (vec![first(good()), first(good())], "chunk", "must be given"),
            (vec![first(good()), chunk(b"kern")], "size", "is more than what came: 4 bytes"),
            (vec![first(good()), chunk(b"kernels")], "size", "is less than what came: 7 bytes"),
            (vec![first(good()), chunk(b"kernal")], "sha256", "is not the digest of what came"),
            (vec![first(good()), chunk(&vec![0; (1 << 20) + 1])], "chunk", "at most 1 MiB"),
            (vec![first(v1::PushBegin { offset: 3, ..good() })], "offset", "must be at most 0"),
            (vec![first(v1::PushBegin { offset: 9, ..good() })], "offset", "must be at most 6"),
        ];
        for (parts, field, rule) in wrong {
            let status = send(&region, tokio_stream::iter(parts)).await.unwrap_err();
            let refused = refused(&status);
            assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
            assert!(refused.len() == 1 && refused[0].0 == field, "{refused:?}");
            assert!(refused[0].1.contains(rule), "{refused:?}");
            // Whatever came of a part is taken up or dropped by the next push.
            assert!(!self::status(&region, &digest_of(b"kernel")).await.complete);
        }
        let all_wrong = v1::PushBegin { sha256: "AB".into(), path: "../x".into(), ..good() };
        let status = send(&region, tokio_stream::iter([first(all_wrong)])).await.unwrap_err();
        let fields: Vec<_> = refused(&status).into_iter().map(|one| one.0).collect();
        assert_eq!(fields, ["path", "sha256"]);
        let endless = v1::PushBegin { size: 1 << 62, ..good() };
        let status = send(&region, tokio_stream::iter([first(endless)])).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "DISK_FULL");
        assert_eq!(files(&region).await, []);
        push(&region, "kernel", b"kernel").await.unwrap();
        let shorter = v1::PushBegin { size: 5, ..good() };
        let status = send(&region, tokio_stream::iter([first(shorter)])).await.unwrap_err();
        assert!(refused(&status)[0].1.contains("must be 6"), "{status}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_pushed_again_means_the_new_content_at_once() {
    on_both(async |world| {
        let (region, _, _folder) = keeping(world).await;
        let noted = v1::PushBegin { note: Some("from Debian".into()), ..begin("k", b"one") };
        send(&region, tokio_stream::iter([first(noted), chunk(b"one")])).await.unwrap();
        assert!(push(&region, "k", b"one").await.unwrap().unchanged);
        let changed = push(&region, "k", b"other").await.unwrap();
        let item = changed.item.unwrap();
        assert!(!changed.unchanged);
        assert_eq!((item.note.as_str(), item.meta.unwrap().revision), ("from Debian", 2));
        assert_eq!(files(&region).await, [("k".into(), digest_of(b"other"), 5)]);
        // Judged only, and asked for twice.
        let write = Write { validate_only: true, ..Write::default() };
        let judged = v1::PushBegin { write: Some(write), ..begin("k2", b"new") };
        let answer = send(&region, tokio_stream::iter([first(judged)])).await.unwrap();
        assert_eq!(answer.item.unwrap().path, "k2");
        let write = Write { request_id: "r1".into(), ..Write::default() };
        let once = v1::PushBegin { write: Some(write), ..begin("k3", b"new") };
        for _ in 0..2 {
            let parts = [first(once.clone()), chunk(b"new")];
            let answer = send(&region, tokio_stream::iter(parts)).await.unwrap();
            assert_eq!(answer.item.unwrap().meta.unwrap().revision, 1);
        }
        let events = log(world).await.0.into_iter().map(|event| (event.name, event.key));
        let events: Vec<_> = events.collect();
        let expected = [("created", "k"), ("updated", "k"), ("created", "k3")]
            .map(|(verb, key)| (format!("boot-file.{verb}"), key.to_owned()));
        assert_eq!(events, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_pushes_and_only_where_files_are_kept() {
    on_both(async |world| {
        let (region, _, _folder) = keeping(world).await;
        let viewer = Actor { name: "eve".into(), role: Role::Viewer };
        let mut eve = BootFilePushClient::new(served_by(&region, Some(viewer)));
        let parts = tokio_stream::iter([first(begin("k", b"x"))]);
        assert_eq!(eve.push(parts).await.unwrap_err().code(), Code::PermissionDenied);
        let asked = eve.push_status(PushStatusRequest { sha256: digest_of(b"x") }).await;
        assert_eq!(asked.unwrap_err().code(), Code::PermissionDenied);
        let nowhere = push(&world.region, "k", b"x").await.unwrap_err();
        assert_eq!(nowhere.code(), Code::FailedPrecondition);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_goes_an_hour_after_its_last_name() {
    on_both(async |world| {
        let (region, store, _folder) = keeping(world).await;
        push(&region, "a", b"old").await.unwrap();
        push(&region, "b", b"old").await.unwrap();
        push(&region, "a", b"new").await.unwrap();
        let there = async |bytes| status(&region, &digest_of(bytes)).await.complete;
        let later = async |minutes: i64| {
            region.clock.set(region.clock.now().shifted(minutes * 60_000_000));
            boot_file::collect(&region, &store).await.unwrap();
        };
        later(0).await;
        later(61).await;
        assert!(there(b"old").await && there(b"new").await);
        world.delete("boot-file", "b").await.unwrap();
        later(0).await;
        later(59).await;
        assert!(there(b"old").await);
        later(2).await;
        assert!(!there(b"old").await && there(b"new").await);
    })
    .await;
}
