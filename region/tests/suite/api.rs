//! The services as a client meets them.

use proto::v1::{
    CreateFabricRequest, CreateSubnetRequest, Fabric, GetRequest, ListRequest, Subnet,
    UpdateSubnetRequest, WatchRequest, Write, events_client::EventsClient,
    fabrics_client::FabricsClient, subnets_client::SubnetsClient, tokens_client::TokensClient,
};
use region::{
    api,
    auth::{Actor, Role},
};
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::{
    network,
    support::{admin, on_both, served_by},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_objection_comes_as_field_value_and_rule() {
    on_both(async |world| {
        network(world).await;
        let mut subnets = SubnetsClient::new(served_by(&world.region, Some(admin())));
        let item = Subnet {
            vrf: "default".into(),
            vlan: "dc9/1".into(),
            cidr: "10.0.0.0".into(),
            ..Default::default()
        };
        let request = CreateSubnetRequest { item: Some(item), ..Default::default() };
        let status = subnets.create(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        let named: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(named, ["vlan", "cidr"]);
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.metadata["vlan"].as_str()), ("REFUSED", "dc9/1"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_answers_a_cursor_that_has_it_behind_it() {
    on_both(async |world| {
        let mut fabrics = FabricsClient::new(served_by(&world.region, Some(admin())));
        let mut events = EventsClient::new(served_by(&world.region, Some(admin())));
        let make = |name: &str| CreateFabricRequest {
            item: Some(Fabric { name: name.into(), ..Default::default() }),
            write: Some(Write { request_id: name.into(), ..Default::default() }),
        };
        let mut cursors = Vec::new();
        for name in ["a", "a", "b"] {
            let answer = fabrics.create(make(name)).await.unwrap();
            let cursor = answer.metadata().get(api::status::CURSOR).unwrap();
            cursors.push(cursor.to_str().unwrap().to_owned());
        }
        // The repeated request answers one that has the first one's event behind it too.
        for cursor in &cursors[..2] {
            let request = WatchRequest { cursor: cursor.clone(), ..Default::default() };
            let mut watch = events.watch(request).await.unwrap().into_inner();
            let next = watch.message().await.unwrap().unwrap();
            assert_eq!(next.item.unwrap().key, "b");
        }
        let log = events.list(ListRequest::default()).await.unwrap().into_inner();
        let keys: Vec<_> = log.items.iter().map(|event| event.key.as_str()).collect();
        assert_eq!(keys, ["b", "a"]);
        let body = log.items[0].body.clone().unwrap();
        assert_eq!(body.to_msg::<Fabric>().unwrap().name, "b");
        let id = log.items[0].meta.clone().unwrap().id;
        let got = events.get(GetRequest { id }).await.unwrap().into_inner();
        assert_eq!(got, log.items[0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_listed_in_pages_either_way() {
    on_both(async |world| {
        for name in ["a", "b", "c", "d", "e"] {
            world.create("fabric", &format!("name={name}")).await.unwrap();
        }
        let mut events = EventsClient::new(served_by(&world.region, Some(admin())));
        for (order_by, expected) in [("", "edcba"), ("at", "abcde")] {
            let (mut all, mut page_token) = (String::new(), String::new());
            loop {
                let request = ListRequest {
                    page_size: 2,
                    page_token,
                    filter: "type=fabric.created,level=info,kind=fabric".into(),
                    order_by: order_by.into(),
                };
                let page = events.list(request).await.unwrap().into_inner();
                all.extend(page.items.into_iter().map(|event| event.key));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            assert_eq!(all, expected, "{order_by}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_nobody_or_may_not_is_told_so() {
    on_both(async |world| {
        let mut nobody = TokensClient::new(served_by(&world.region, None));
        let status = nobody.list(ListRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        let viewer = Actor { name: "eve".into(), role: Role::Viewer };
        let mut tokens = TokensClient::new(served_by(&world.region, Some(viewer.clone())));
        let status = tokens.list(ListRequest::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().contains("admin"), "{}", status.message());
        let mut fabrics = FabricsClient::new(served_by(&world.region, Some(viewer)));
        assert!(fabrics.list(ListRequest::default()).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_nothing_is_none() {
    on_both(async |world| {
        network(world).await;
        let mut subnets = SubnetsClient::new(served_by(&world.region, Some(admin())));
        let request = || GetRequest { id: "10.0.0.0/24".into() };
        let before = subnets.get(request()).await.unwrap().into_inner();
        let again = UpdateSubnetRequest {
            id: "10.0.0.0/24".into(),
            item: Some(before.clone()),
            ..Default::default()
        };
        let after = subnets.update(Request::new(again)).await.unwrap().into_inner();
        assert_eq!(after, before);
    })
    .await;
}
