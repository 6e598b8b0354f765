//! Who is let in, and for how long.

use common::Timestamp;
use hostler_integration_tests::fake_rack::FakeRack;
use proto::v1;
use region::{auth::authority::Authority, operations::rack};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::time::Duration;

use super::{
    bench::{Doors, admin, doors, eventually, open, with_doors},
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
    with_doors(async |doors| {
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
        doors.pass(Duration::from_secs(3600));
        let late = refused(FakeRack::join(&late, "r3").await);
        assert!(late.contains("has expired"), "{late}");
        for words in
            ["was used before", "joined before", "must be 1 to 63", "no join token", "has expired"]
        {
            doors.tells("rack.join-refused", words).await;
        }
        let joined = doors.told("rack.joined").await;
        assert_eq!(joined.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["r1", "r2"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_pins_its_region() {
    with_doors(async |doors| {
        let mut token: proto::join_token::JoinToken = doors.token("name=r1").await.parse().unwrap();
        token.authority[0] ^= 1;
        let wrong = refused(FakeRack::join(token.encode().expose(), "r1").await);
        assert!(wrong.contains("is not the one expected"), "{wrong}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_others_are_refused_and_noted() {
    with_doors(async |doors| {
        let mut rack = doors.rack("r1").await;
        let now = doors.clock.now();
        let foreign = Authority::open(Authority::generate("foreign", now).unwrap()).unwrap();
        let names = [rack.id.clone()];
        let signed = foreign.sign_server(&names, Duration::from_secs(3600), now).unwrap();
        rack.identity.chain = vec![signed.issued.certificate];
        rack.identity.key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.key));
        assert!(rack.connect(rack.hello()).await.is_err());
        doors.tells("rack.join-refused", "127.0.0.1: ").await;
    })
    .await;
}

fn ends(rack: &FakeRack) -> Timestamp {
    region::auth::identity::RackIdentity::of(&rack.identity.chain[0]).unwrap().not_after
}

const LIFETIME: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_in_time_or_ends() {
    on_both(async |world| {
        let doors = open(world, None, LIFETIME).await;
        let mut rack = doors.rack("r1").await;
        let (old, forgotten) = (rack.clone(), doors.rack("r2").await);
        doors.pass(LIFETIME / 2);
        rack.renew().await.unwrap();
        assert!(ends(&rack) > ends(&old));
        assert_eq!(doors.told("rack.renewed").await.len(), 1);
        // They end with a whole second.
        doors.pass(LIFETIME / 2 + Duration::from_secs(2));
        for late in [&old, &forgotten] {
            // Its own handshake is over as region hangs up: what it hears of why is a matter of luck.
            assert!(late.connect(late.hello()).await.is_err());
        }
        doors.tells("rack.join-refused", "expired").await;
        rack.connect(rack.hello()).await.unwrap();
        doors.close().await;
    })
    .await;
}

/// A rack may stop between its renewal and the first use of what it got, and comes back with the old one; it may also never get the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_good_until_its_rack_has_shown_a_newer_one() {
    with_doors(async |doors| {
        let mut rack = doors.rack("r1").await;
        let (old, mut unheard) = (rack.clone(), rack.clone());
        unheard.renew().await.unwrap();
        rack.renew().await.unwrap();
        old.connect(old.hello()).await.unwrap();
        assert_eq!(doors.told("rack.certificate-replaced").await, []);
        rack.connect(rack.hello()).await.unwrap();
        let replaced = doors.told("rack.certificate-replaced").await;
        assert!(replaced.len() == 1 && replaced[0].0 == "r1", "{replaced:?}");
        for mut copy in [old, unheard] {
            let refused = copy.connect(copy.hello()).await.err().unwrap();
            assert!(format!("{refused:#}").contains("was replaced"), "{refused:#}");
            let refused = copy.renew().await.unwrap_err();
            assert!(format!("{refused:#}").contains("was replaced"), "{refused:#}");
        }
        doors.tells("rack.join-refused", "was replaced").await;
        rack.connect(rack.hello()).await.unwrap();
        assert_eq!(doors.told("rack.certificate-replaced").await.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_at_the_moment_of_revocation_saves_nobody() {
    with_doors(async |doors| {
        for number in 0..8 {
            let name = format!("r{number}");
            let mut rack = doors.rack(&name).await;
            let old = rack.clone();
            let (_, ()) = tokio::join!(rack.renew(), revoke(doors, &name));
            for known in [&rack, &old] {
                // What ends the connections of a revoked rack may end this one before it is told why.
                eventually("it is told that it was revoked", async || {
                    let refused = known.connect(known.hello()).await.err().unwrap();
                    format!("{refused:#}").contains("was revoked")
                })
                .await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_distrusts_region_is_noted() {
    with_doors(async |doors| {
        let mut rack = doors.rack("r1").await;
        let foreign = Authority::generate("foreign", doors.clock.now()).unwrap();
        rack.authority = foreign.certificate;
        assert!(rack.connect(rack.hello()).await.is_err());
        doors.tells("rack.join-refused", "does not trust this region").await;
    })
    .await;
}

async fn revoke(by: &Doors, rack: &str) {
    let id = rack.to_owned();
    let write = v1::Write { message: "stolen".into(), ..v1::Write::default() };
    by.region().write(&admin(), move |tx| rack::revoke(tx, &id, &write)).await.unwrap();
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
            revoke(by, name).await;
            // Sooner than a stream that has merely gone silent would be given up.
            stream.ended().await.unwrap();
            // Also in the region that holds no stream of it.
            eventually("it is away", async || {
                let racks: Vec<v1::Rack> = other.list("rack").await;
                racks.iter().all(|rack| rack.revoked && !rack.connected)
            })
            .await;
            let again = rack.connect(rack.hello()).await.err().unwrap();
            assert!(format!("{again:#}").contains("was revoked"), "{again:#}");
            one.tells("rack.join-refused", "was revoked").await;
        }
        one.close().await;
        other.close().await;
    })
    .await;
}
