//! Who did what and why is kept, of verbs that one kind alone has as of any other, and no longer than it must be.

use common::Timestamp;
use plan::{Rack, User};
use proto::v1::{self, SetPasswordRequest, Write};
use region::{
    db::Conn,
    operations::{
        self, OperationError, Tx,
        audit::{self, Entry, Wanted},
        rack, user,
    },
};

use crate::support::{World, admin, log, on_both};

/// The newest first: verb, key and message.
async fn trail(world: &World) -> Vec<[String; 3]> {
    let wanted = Wanted { limit: 100, ..Wanted::default() };
    let read = world.region.db.read(move |conn| audit::newest(conn, &wanted)).await.unwrap();
    let row = |entry: Entry| [entry.change.verb, entry.key, entry.change.message];
    read.into_iter().map(row).collect()
}

fn why(message: &str) -> Write {
    Write { message: message.into(), request_id: message.into(), ..Write::default() }
}

async fn set_password(world: &World, write: Write) -> Result<i64, OperationError> {
    let (id, password) = ("mira".to_owned(), "a long enough one".to_owned());
    let request = SetPasswordRequest { id, password, write: Some(write) };
    let set = user::set_password(&world.region, &admin(), request).await;
    set.map(|(user, _)| user.meta.unwrap().revision)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_set_is_a_change_like_any_other() {
    on_both(async |world| {
        world.create("user", "name=mira role=viewer").await.unwrap();
        let judged = Write { validate_only: true, ..Write::default() };
        assert_eq!(set_password(world, judged).await.unwrap(), 2);
        let stale = Write { expected_revision: 2, ..Write::default() };
        assert!(matches!(set_password(world, stale).await, Err(OperationError::Stale { .. })));
        assert_eq!(trail(world).await.len(), 1);
        for _ in 0..2 {
            assert_eq!(set_password(world, why("forgotten")).await.unwrap(), 2);
        }
        let trail = trail(world).await;
        assert_eq!(trail.len(), 2);
        assert_eq!(trail[0], ["set-password", "mira", "forgotten"]);
        let events = log(world).await.0;
        let told = events.iter().filter(|event| event.name == "user.password-set");
        let told: Vec<_> = told.map(|event| event.detail.as_str()).collect();
        assert_eq!(told, ["forgotten"]);
        let find = |tx: &mut Tx<'_>| operations::find::<User>(tx.conn, "mira");
        let found = world.region.read(&admin(), find).await.unwrap();
        assert!(found.revision == 2 && found.value.password_set_at.is_some());
    })
    .await;
}

async fn revoke(world: &World, write: Write) -> Result<v1::Rack, OperationError> {
    world.region.write(&admin(), move |tx| rack::revoke(tx, "r1", &write)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_a_change_like_any_other() {
    on_both(async |world| {
        let join = |tx: &mut Tx<'_>| {
            operations::adopt(tx, Rack::new("r1".parse().unwrap()), "rack.joined", "").map(drop)
        };
        world.region.write(&admin(), join).await.unwrap();
        let judged = Write { validate_only: true, ..Write::default() };
        assert!(revoke(world, judged.clone()).await.unwrap().revoked);
        let stale = Write { expected_revision: 2, ..judged };
        assert!(matches!(revoke(world, stale).await, Err(OperationError::Stale { .. })));
        assert_eq!(trail(world).await, [[""; 3]; 0]);
        for _ in 0..2 {
            let revoked = revoke(world, why("stolen")).await.unwrap();
            assert_eq!((revoked.revoked, revoked.meta.unwrap().revision), (true, 2));
        }
        // Once more, by a request of its own: nothing is new.
        assert_eq!(revoke(world, Write::default()).await.unwrap().meta.unwrap().revision, 2);
        assert_eq!(trail(world).await, [["revoke", "r1", "stolen"]]);
        let events = log(world).await.0;
        let told = events.iter().map(|event| [event.name.as_str(), event.detail.as_str()]);
        assert_eq!(told.collect::<Vec<_>>(), [["rack.joined", ""], ["rack.revoked", "stolen"]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_is_cut_from_its_old_end() {
    on_both(async |world| {
        for name in ["a", "b", "c"] {
            world.create("fabric", &format!("name={name}")).await.unwrap();
        }
        let cut = async |since: Timestamp| {
            let cut = move |conn: &mut Conn| audit::forget(conn, since, 2);
            world.region.db.transaction(cut).await.unwrap()
        };
        let now = world.region.clock.now();
        assert_eq!(cut(now.shifted(-3_600_000_000)).await, 0);
        assert_eq!(cut(now.shifted(1)).await, 2, "a step at a time");
        assert_eq!(trail(world).await, [["create", "c", ""]]);
        assert_eq!(cut(now.shifted(1)).await, 1);
    })
    .await;
}
