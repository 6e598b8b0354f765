//! A token's end is the end of all that was opened with it.

use proto::v1::{self, vlans_client::VlansClient};
use region::{auth::authorities::operators_certificate, operations};
use runtime::{
    channel::{Target, channel},
    clock::Clock,
    tls::{Trust, client_config},
};
use tonic::{Code, Request, Status, Streaming};

use super::{
    bench::{Doors, LIMIT, admin, doors},
    support::on_both,
};

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

fn with<T>(secret: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {secret}").parse().unwrap());
    request
}

async fn client(doors: &Doors) -> VlansClient<tonic::transport::Channel> {
    let own = doors.region().db.read(operators_certificate).await.unwrap().unwrap();
    let config = client_config(&Trust::Authorities(vec![own]), None, &Clock::system()).unwrap();
    let target = Target {
        addresses: vec![doors.server.operators[0].to_string()],
        name: "localhost".try_into().unwrap(),
    };
    VlansClient::new(channel(&target, config).await.unwrap())
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
    on_both(async |world| {
        let doors = doors(world).await;
        let mut client = client(&doors).await;
        for name in ["deleted", "expired"] {
            let secret = token(&doors, name).await;
            let watch = client.watch(with(&secret, v1::WatchRequest::default())).await;
            let mut watch = watch.unwrap().into_inner();
            watch.message().await.unwrap().unwrap();
            if name == "deleted" {
                let actor = admin();
                let delete = doors.region().write(&actor, |tx| {
                    operations::delete::<plan::Token>(tx, "deleted", &v1::Write::default())
                });
                delete.await.unwrap();
            } else {
                doors.clock.set(doors.clock.now().shifted(3_600_000_000));
            }
            assert_eq!(ending(&mut watch).await.code(), Code::Unauthenticated, "{name}");
            let again = client.list(with(&secret, v1::ListRequest::default())).await;
            assert_eq!(again.unwrap_err().code(), Code::Unauthenticated, "{name}");
        }
        doors.close().await;
    })
    .await;
}
