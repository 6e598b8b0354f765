//! A watcher gets what there is, then what changes, through its filter.

use common::Timestamp;
use plan::{Subnet, Vlan};
use proto::v1::{Change, WatchRequest, Write};
use region::{
    events::{self, NewEvent},
    operations::{
        OperationError, event,
        watch::{Watch, watch},
    },
};
use std::time::Duration;

use crate::{
    network,
    support::{World, admin, on_both, settled},
};

const LIMIT: Duration = Duration::from_secs(20);

fn filtered(filter: &str) -> WatchRequest {
    WatchRequest { filter: filter.into(), ..Default::default() }
}

/// The next thing that a watcher is told, as `updated 10.0.0.0/24`.
async fn told<M: prost::Message + prost::Name>(watch: &mut Watch<M>) -> String {
    let next = tokio::time::timeout(LIMIT, watch.recv()).await.expect("something comes");
    let next = next.expect("the watch is open").unwrap();
    let change = next.change.as_str_name().trim_start_matches("CHANGE_").to_lowercase();
    match next.item {
        Some(item) => {
            let item = proto::masks::to_dynamic(&item);
            let name = item.get_field_by_name("type").map(|name| proto::describe::show(&name));
            format!("{change} {}", name.unwrap_or_else(|| proto::describe::meta(&item, "key")))
        }
        None => change,
    }
}

async fn expect<M: prost::Message + prost::Name>(watch: &mut Watch<M>, lines: &[&str]) {
    for line in lines {
        assert_eq!(told(watch).await, *line);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_lets_in_what_comes_to_match_and_out_what_ceases_to() {
    on_both(async |world| {
        network(world).await;
        let request = filtered("vlan=dc1/10,note!=hidden");
        let mut watch = watch::<Subnet>(world.region.clone(), admin(), request);
        expect(&mut watch, &["present 10.0.0.0/24", "current"]).await;
        world.create("subnet", "vrf=default vlan=dc2/10 cidr=10.1.0.0/24").await.unwrap();
        world.create("subnet", "vrf=default vlan=dc1/10 cidr=10.2.0.0/24").await.unwrap();
        let change = async |id, fields| {
            world.update("subnet", id, fields, Write::default()).await.unwrap();
        };
        change("10.1.0.0/24", "vlan=dc1/10").await;
        change("10.2.0.0/24", "note=hidden").await;
        change("10.2.0.0/24", "note=hidden unmanaged=true").await;
        expect(&mut watch, &["created 10.2.0.0/24", "created 10.1.0.0/24", "deleted 10.2.0.0/24"])
            .await;
        // The VLAN goes by another name now, and is the same.
        world.update("fabric", "dc1", "name=paris", Write::default()).await.unwrap();
        let mut renamed = [told(&mut watch).await, told(&mut watch).await];
        renamed.sort();
        assert_eq!(renamed, ["updated 10.0.0.0/24", "updated 10.1.0.0/24"]);
        world.delete("subnet", "10.0.0.0/24").await.unwrap();
        expect(&mut watch, &["deleted 10.0.0.0/24"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_is_told_to_all_who_show_the_name() {
    on_both(async |world| {
        network(world).await;
        settled(&world.region).await;
        let newest = |newest| WatchRequest { newest: Some(newest), ..Default::default() };
        let mut vlans = watch::<Vlan>(world.region.clone(), admin(), newest(0));
        let mut subnets = watch::<Subnet>(world.region.clone(), admin(), newest(9));
        expect(&mut vlans, &["current"]).await;
        expect(&mut subnets, &["present 10.0.0.0/24", "current"]).await;
        world.update("fabric", "dc1", "name=paris", Write::default()).await.unwrap();
        expect(&mut vlans, &["updated paris/10"]).await;
        expect(&mut subnets, &["updated 10.0.0.0/24"]).await;
        world.update("vrf", "default", "name=old", Write::default()).await.unwrap();
        expect(&mut subnets, &["updated 10.0.0.0/24@old"]).await;
    })
    .await;
}

async fn tell(world: &World, names: &'static [&'static str]) {
    let written = world.region.db.transaction(move |conn| {
        let all: Vec<_> = names
            .iter()
            .map(|name| NewEvent::plain(Timestamp::from_seconds(1), name, "rack1", "it says"))
            .collect();
        events::append_many(conn, &all)
    });
    written.await.unwrap();
    settled(&world.region).await;
    world.region.log.ring();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_watched_from_where_one_likes() {
    on_both(async |world| {
        tell(world, &["lease.bound", "rack.joined", "scope.refused"]).await;
        let start = |filter: &str, newest| {
            let request = WatchRequest { newest, ..filtered(filter) };
            event::watch(world.region.clone(), admin(), request)
        };
        let mut all = start("", None);
        expect(&mut all, &["present lease.bound", "present rack.joined", "present scope.refused"])
            .await;
        let mark = all.recv().await.unwrap().unwrap();
        assert_eq!(mark.change, Change::Current);
        let mut last = start("", Some(1));
        expect(&mut last, &["present scope.refused", "current"]).await;
        let mut bad = start("level>=warning,actor=rack1,detail~SAYS", None);
        expect(&mut bad, &["present scope.refused", "current"]).await;
        let mut new = start("type~lease", Some(0));
        expect(&mut new, &["current"]).await;
        tell(world, &["rack.disconnected", "lease.expired"]).await;
        expect(&mut all, &["created rack.disconnected", "created lease.expired"]).await;
        expect(&mut bad, &["created rack.disconnected"]).await;
        expect(&mut new, &["created lease.expired"]).await;
        let request = WatchRequest { cursor: mark.cursor, ..Default::default() };
        let mut resumed = event::watch(world.region.clone(), admin(), request);
        expect(&mut resumed, &["created rack.disconnected", "created lease.expired"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_filter_or_cursor_is_refused() {
    on_both(async |world| {
        for (filter, cursor, field) in [
            ("vlan=dc9/1", "", "filter.vlan"),
            ("speed=9", "", "filter.speed"),
            ("vlan>dc1/10", "", "filter.vlan"),
            ("unmanaged=maybe", "", "filter.unmanaged"),
            ("note", "", "filter"),
            ("", "nonsense", "cursor"),
        ] {
            let request = WatchRequest { cursor: cursor.into(), ..filtered(filter) };
            let mut watch = watch::<Subnet>(world.region.clone(), admin(), request);
            match watch.recv().await.unwrap() {
                Err(OperationError::Refused(objections)) => {
                    assert_eq!(objections[0].field, field, "{filter} {cursor}");
                }
                other => panic!("{filter} {cursor}: {other:?}"),
            }
        }
        for filter in ["type=a,level=loud", "at=yesterday", "object=x", "level~w", "size=1"] {
            let mut watch = event::watch(world.region.clone(), admin(), filtered(filter));
            let refused = watch.recv().await.unwrap();
            assert!(matches!(refused, Err(OperationError::Refused(_))), "{filter}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_region() {
    on_both(async |world| {
        let mut watch = watch::<Subnet>(world.region.clone(), admin(), WatchRequest::default());
        expect(&mut watch, &["current"]).await;
        let late = world.region.tasks.close(LIMIT).await;
        assert!(late.is_empty(), "{late:?}");
        assert!(matches!(watch.recv().await, Some(Err(OperationError::Closing))));
    })
    .await;
}
