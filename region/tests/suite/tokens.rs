//! Secrets are told once and kept nowhere.

use common::Timestamp;
use plan::{RackToken, Token};
use prost::Message;
use proto::v1::{self, Write};
use region::{
    auth::{Actor, Role, secret},
    db::{
        condition::Condition,
        stored::{Query, Stored},
    },
    operations::{self, OperationError, audit},
};

use crate::support::{World, admin, log, on_both};

async fn make(world: &World, request_id: &str) -> v1::Token {
    let item = v1::Token {
        name: "ci".into(),
        role: "operator".into(),
        expires_in: "90d".into(),
        // What region sets itself is not taken from outside.
        secret: "chosen by somebody".into(),
        ..Default::default()
    };
    let write = Write { request_id: request_id.into(), ..Default::default() };
    let make =
        move |tx: &mut operations::Tx<'_>| operations::create::<Token>(tx, item.clone(), &write);
    world.region.write(&admin(), make).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_told_once_and_found_by_its_hash() {
    on_both(async |world| {
        let made = make(world, "r1").await;
        assert!(made.secret.starts_with("hostler-") && made.secret.len() > 40);
        assert_eq!(make(world, "r1").await.secret, "", "a repeated request");
        let (hash, id) = (secret::hash(&made.secret).to_vec(), made.meta.unwrap().id);
        let found = world
            .region
            .read(&admin(), move |tx| {
                let same = Condition::equal("secret", hash.clone());
                Ok(Token::load(tx.conn, Query::all(vec![same]))?)
            })
            .await
            .unwrap();
        assert_eq!(found[0].id.to_string(), id);
        assert_eq!(found[0].value.role, Role::Operator);
        let life = found[0].value.expires_at.unwrap().seconds() - found[0].created_at / 1_000_000;
        assert_eq!(life, 90 * 86_400);
        let got =
            world.region.read(&admin(), |tx| operations::get::<Token>(tx, "ci")).await.unwrap();
        assert_eq!(got.secret, "");
        let (events, _) = log(world).await;
        let body = v1::Token::decode(events[0].body.as_slice()).unwrap();
        assert_eq!((body.name.as_str(), body.secret.as_str()), ("ci", ""));
        let object = found[0].id.uuid();
        let history = world
            .region
            .read(&admin(), move |tx| Ok(audit::history(tx.conn, object, 9)?))
            .await
            .unwrap();
        assert_eq!(v1::Token::decode(history[0].after.as_slice()).unwrap().secret, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_token_has_a_key_that_opens_nothing() {
    on_both(async |world| {
        let mut keys = Vec::new();
        for _ in 0..2 {
            keys.push(world.create("rack-token", "name=rack1 expires_in=1h").await.unwrap());
        }
        assert!(keys[0] != keys[1] && keys[0].starts_with("join-"), "{keys:?}");
        let key = keys[0].clone();
        let token = world
            .region
            .read(&admin(), move |tx| operations::find::<RackToken>(tx.conn, &key))
            .await
            .unwrap();
        let made = Timestamp::from_micros(token.created_at);
        assert_eq!(token.value.unusable(made.shifted(3_599_000_000)), None);
        assert_eq!(token.value.unusable(made.shifted(3_600_000_000)), Some("has expired"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_no_tokens_and_no_trace_of_them() {
    on_both(async |world| {
        make(world, "").await;
        let operator = Actor { name: "op".into(), role: Role::Operator };
        let denied = world.region.read(&operator, |tx| operations::get::<Token>(tx, "ci")).await;
        assert!(matches!(denied, Err(OperationError::Denied { needed: Role::Admin, .. })));
        for (actor, expected) in [(operator, 0), (admin(), 1)] {
            let list = move |tx: &mut operations::Tx<'_>| {
                operations::event::list(tx, &v1::ListRequest::default())
            };
            let page = world.region.read(&actor, list).await.unwrap();
            assert_eq!(page.items.len(), expected, "{}", actor.name);
        }
    })
    .await;
}
