//! A token's end is the end of all that was opened with it.

use proto::v1::{self, vlans_client::VlansClient};
use region::operations;
use std::time::Duration;
use tonic::{Code, Status, Streaming};

use super::bench::{Doors, LIMIT, admin, bearing, with_doors};

/// A token that is good for an hour; its secret.
async fn token(doors: &Doors, name: &str) -> String {
    let item = v1::Token {
        name: name.into(),
        role: "operator".into(),
        expires_in: "1h".into(),
        ..Default::default()
    };
    let actor = admin();
    let make = doors.region().write(&actor, move |tx| {
        operations::create::<plan::Token>(tx, item.clone(), &v1::Write::default())
    });
    make.await.unwrap().secret
}

async fn ending(watch: &mut Streaming<v1::VlanEvent>) -> Status {
    let ended = async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("ended without a status"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(LIMIT, ended).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_the_token_that_opened_it() {
    with_doors(async |doors| {
        let mut client = VlansClient::new(doors.operators().await);
        for name in ["deleted", "expired"] {
            let secret = token(doors, name).await;
            let watch = client.watch(bearing(&secret, v1::WatchRequest::default())).await;
            let mut watch = watch.unwrap().into_inner();
            watch.message().await.unwrap().unwrap();
            if name == "deleted" {
                let actor = admin();
                let delete = doors.region().write(&actor, |tx| {
                    operations::delete::<plan::Token>(tx, "deleted", &v1::Write::default())
                });
                delete.await.unwrap();
            } else {
                doors.pass(Duration::from_secs(3600));
            }
            assert_eq!(ending(&mut watch).await.code(), Code::Unauthenticated, "{name}");
            let again = client.list(bearing(&secret, v1::ListRequest::default())).await;
            assert_eq!(again.unwrap_err().code(), Code::Unauthenticated, "{name}");
        }
    })
    .await;
}
