//! Who is let in, and for how long.

use common::Timestamp;
use hostler_integration_tests::fake_rack::FakeRack;
use region::{auth::authority::Authority, operations::rack};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::time::{Duration, Instant};

use super::{
    bench::{Doors, LIMIT, admin, doors, eventually, open},
    support::on_both,
};

fn refused(joining: Result<FakeRack, anyhow::Error>) -> String {
    match joining {
        Ok(rack) => panic!("{} was let in", rack.name),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_one_rack_in_once_and_every_refusal_says_why() {
    on_both(async |world| {
        let doors = doors(world).await;
        let token = doors.token("name=r1").await;
        let rack = FakeRack::join(&token, "somebody").await.unwrap();
        assert_eq!(rack.name, "r1");
        let used = refused(FakeRack::join(&token, "r2").await);
        assert!(used.contains("was used before"), "{used}");
        let other = doors.token("").await;
        let taken = refused(FakeRack::join(&other, "r1").await);
        assert!(taken.contains("a rack called r1 has joined before"), "{taken}");
        let named = refused(FakeRack::join(&other, "R 1").await);
        assert!(named.contains("must be 1 to 63"), "{named}");
        // What was refused for its name is not used up.
        assert_eq!(FakeRack::join(&other, "r2").await.unwrap().name, "r2");
        let mut wrong: proto::join_token::JoinToken = token.parse().unwrap();
        wrong.secret = common::Secret::new("guessed".into());
        let wrong = refused(FakeRack::join(wrong.encode().expose(), "r3").await);
        assert!(wrong.contains("no join token of this region"), "{wrong}");
        let late = doors.token("expires_in=1h").await;
        doors.clock.set(doors.clock.now().shifted(3_600_000_000));
        let late = refused(FakeRack::join(&late, "r3").await);
        assert!(late.contains("has expired"), "{late}");
        for words in
            ["was used before", "joined before", "must be 1 to 63", "no join token", "has expired"]
        {
            doors.tells("rack.join-refused", words).await;
        }
        let joined = doors.told("rack.joined").await;
        assert_eq!(joined.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
        doors.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_pins_its_region() {
    on_both(async |world| {
        let doors = doors(world).await;
        let mut token: proto::join_token::JoinToken = doors.token("name=r1").await.parse().unwrap();
        token.authority[0] ^= 1;
        let wrong = refused(FakeRack::join(token.encode().expose(), "r1").await);
        assert!(wrong.contains("is not the one expected"), "{wrong}");
        doors.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_others_are_refused_and_noted() {
    on_both(async |world| {
        let doors = doors(world).await;
        let mut rack = doors.rack("r1").await;
        let now = doors.clock.now();
        let foreign = Authority::open(Authority::generate("foreign", now).unwrap()).unwrap();
        let names = [rack.id.clone()];
        let signed = foreign.sign_server(&names, Duration::from_secs(3600), now).unwrap();
        rack.identity.chain = vec![signed.issued.certificate];
        rack.identity.key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.key));
        assert!(rack.connect(rack.hello()).await.is_err());
        doors.tells("rack.join-refused", "127.0.0.1: ").await;
        doors.close().await;
    })
    .await;
}

fn ends(rack: &FakeRack) -> Timestamp {
    region::auth::identity::RackIdentity::of(&rack.identity.chain[0]).unwrap().not_after
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_in_time_or_ends() {
    on_both(async |world| {
        let doors = open(world, None, Duration::from_secs(3)).await;
        let mut rack = doors.rack("r1").await;
        let old = rack.clone();
        eventually("a later second", async || {
            doors.clock.now().seconds() > ends(&old).seconds() - 2
        })
        .await;
        rack.renew().await.unwrap();
        assert!(ends(&rack) > ends(&old));
        assert_eq!(doors.told("rack.renewed").await.len(), 1);
        rack.connect(rack.hello()).await.unwrap();
        eventually("the old certificate ends", async || old.connect(old.hello()).await.is_err())
            .await;
        assert!(doors.clock.now() >= ends(&old));
        doors.close().await;
    })
    .await;
}

async fn revoke(by: &Doors, rack: &str) {
    let id = rack.to_owned();
    by.region().write(&admin(), move |tx| rack::revoke(tx, &id)).await.unwrap();
}

/// Revoked in the same region, and in another one on the same database.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_rack_loses_its_stream_at_once_and_is_not_let_in_again() {
    on_both(async |world| {
        let one = doors(world).await;
        let other = open(world, Some(&one.key_file(world)), Duration::from_secs(3600)).await;
        for (name, by) in [("r1", &one), ("r2", &other)] {
            let rack = one.rack(name).await;
            let mut stream = rack.connect(rack.hello()).await.unwrap();
            let start = Instant::now();
            revoke(by, name).await;
            stream.ended().await.unwrap();
            let limit = if name == "r1" { LIMIT / 10 } else { LIMIT / 2 };
            assert!(start.elapsed() < limit, "{:?}", start.elapsed());
            let again = rack.connect(rack.hello()).await.err().unwrap();
            assert!(format!("{again:#}").contains("was revoked"), "{again:#}");
            one.tells("rack.join-refused", "was revoked").await;
        }
        one.close().await;
        other.close().await;
    })
    .await;
}
