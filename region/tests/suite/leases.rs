//! Leases are written in bulk and read like any resource.

use common::{
    Id, RackId, Timestamp, VlanId,
    report::{Client, FactClass, LeaseChanged, LeaseState},
};
use plan::{Lease, Vlan};
use proto::v1::{Change, ListRequest};
use region::{
    Region,
    db::{Conn, leases::forget_ended, positions::Outbox},
    operations::{
        self,
        lease::{self, Facts},
        list, usage,
    },
};
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::{
    network,
    support::{World, admin, log, on_both},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

async fn vlan(world: &World, key: &'static str) -> VlanId {
    let find = move |tx: &mut operations::Tx<'_>| operations::find::<Vlan>(tx.conn, key);
    world.region.read(&admin(), find).await.unwrap().id.cast()
}

fn told(vlan: VlanId, address: [u8; 4], number: u64, state: LeaseState) -> LeaseChanged {
    LeaseChanged {
        number,
        vlan,
        address: address.into(),
        state,
        client: Client {
            identifier: vec![1, 2],
            hardware_type: 1,
            hardware: vec![2, 0, 0, 0, 0, 1],
        },
        host_name: b"we\\b\x1b[1".to_vec(),
        relay_information: vec![0xff],
        started: NOW,
        ends: NOW.shifted(i64::try_from(number).unwrap() * 1_000_000),
    }
}

/// Records them as one batch of a rack.
async fn record(world: &World, leases: Vec<LeaseChanged>) {
    record_in(&world.region, 7, leases).await;
}

/// As another region, or another rack, may.
async fn record_in(region: &Region, rack: u128, leases: Vec<LeaseChanged>) {
    let newest = leases.iter().map(|lease| lease.number).max().unwrap_or_default();
    let facts = Facts {
        outbox: Outbox {
            rack: RackId::new(Uuid::from_u128(rack)),
            incarnation: Uuid::from_u128(8),
            class: FactClass::Lease,
        },
        rack: "rack1".into(),
        leases,
        newest,
        snapshot: None,
    };
    assert_eq!(lease::record(region, vec![facts]).await.unwrap(), [newest]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_last_of_an_address_counts_and_a_renewal_is_no_news() {
    on_both(async |world| {
        network(world).await;
        let (here, nowhere) = (vlan(world, "dc1/10").await, Id::new(Uuid::from_u128(9)));
        let bound = |number| told(here, [10, 0, 0, 100], number, LeaseState::Bound);
        let elsewhere = told(nowhere, [10, 0, 0, 100], 2, LeaseState::Bound);
        record(world, vec![bound(1), elsewhere, told(here, [10, 9, 0, 1], 3, LeaseState::Bound)])
            .await;
        let keys = world.keys("lease", ListRequest::default()).await.unwrap().0;
        let known = ["10.0.0.100".to_owned(), format!("10.0.0.100@{nowhere}")];
        assert_eq!(keys, [&known[..], &[format!("10.9.0.1@{here}")]].concat());
        record(world, vec![bound(5)]).await;
        record(world, vec![told(here, [10, 0, 0, 100], 6, LeaseState::Released)]).await;
        let get = |tx: &mut operations::Tx<'_>| operations::get::<Lease>(tx, "10.0.0.100");
        let got = world.region.read(&admin(), get).await.unwrap();
        assert_eq!(
            [got.state, got.mac, got.client_id, got.host_name, got.vlan, got.subnet],
            ["released", "02:00:00:00:00:01", "0102", "we\\\\b\\x1b[1", "dc1/10", "10.0.0.0/24"]
        );
        let events = log(world).await.0.into_iter();
        let names = events.filter(|event| event.kind == "lease").map(|event| event.name);
        let names: Vec<_> = names.collect();
        assert_eq!(names, ["lease.bound", "lease.bound", "lease.bound", "lease.released"]);
    })
    .await;
}

/// Key and id of each.
async fn known(world: &World) -> Vec<(String, String)> {
    let list = |tx: &mut operations::Tx<'_>| list::list::<Lease>(tx, &ListRequest::default());
    let page = world.region.read(&admin(), list).await.unwrap();
    let metas = page.items.into_iter().filter_map(|lease| lease.meta);
    metas.map(|meta| (meta.key, meta.id)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_stays_one_whatever_becomes_of_its_subnet() {
    on_both(async |world| {
        network(world).await;
        let (here, there) = (vlan(world, "dc1/10").await, vlan(world, "dc2/10").await);
        let subnet = |vlan: &str| format!("vrf=default vlan={vlan} cidr=10.0.0.0/24");
        let bound = |vlan, number| told(vlan, [10, 0, 0, 100], number, LeaseState::Bound);
        let (own, nowhere) = ("10.0.0.100".to_owned(), format!("10.0.0.100@{here}"));
        record(world, vec![bound(here, 1)]).await;
        let id = known(world).await.remove(0).1;
        world.delete("subnet", "10.0.0.0/24").await.unwrap();
        record(world, vec![bound(here, 2)]).await;
        assert_eq!(known(world).await, [(nowhere.clone(), id.clone())]);
        world.create("subnet", &subnet("dc1/10")).await.unwrap();
        record(world, vec![bound(here, 3)]).await;
        assert_eq!(known(world).await, [(own.clone(), id.clone())]);
        // On another VLAN it is another lease, and may have the name: also when the one that had it is heard of later.
        world.delete("subnet", "10.0.0.0/24").await.unwrap();
        world.create("subnet", &subnet("dc2/10")).await.unwrap();
        record(world, vec![bound(there, 4)]).await;
        for number in 5..7 {
            let keys = known(world).await;
            assert_eq!(keys.len(), 2, "{keys:?}");
            assert!(keys[0].0 == own && keys[0].1 != id, "{keys:?}");
            assert_eq!(keys[1], (nowhere.clone(), id.clone()));
            record(world, vec![bound(here, number)]).await;
        }
        // Each at once takes the name that the other has.
        world.delete("subnet", "10.0.0.0/24").await.unwrap();
        world.create("subnet", &subnet("dc1/10")).await.unwrap();
        record(world, vec![bound(here, 7), bound(there, 8)]).await;
        let keys = known(world).await;
        assert_eq!(keys[0], (own, id));
        assert_eq!(keys[1].0, format!("10.0.0.100@{there}"));
        let events = log(world).await.0.into_iter().filter(|event| event.kind == "lease");
        let events: Vec<_> = events.map(|event| event.name).collect();
        assert_eq!(events.iter().filter(|name| *name == "lease.bound").count(), 2, "{events:?}");
        assert!(
            events.iter().all(|name| ["lease.bound", "lease.updated"].contains(&name.as_str()))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_called_after_its_vrf_as_that_is_called_now() {
    on_both(async |world| {
        network(world).await;
        let here = vlan(world, "dc1/10").await;
        world.create("subnet", "vrf=blue vlan=dc1/10 cidr=10.1.0.0/24").await.unwrap();
        let bound = |number| vec![told(here, [10, 1, 0, 5], number, LeaseState::Bound)];
        record(world, bound(1)).await;
        let before = known(world).await;
        assert_eq!(before[0].0, "10.1.0.5@blue");
        world.update("vrf", "blue", "name=green", Default::default()).await.unwrap();
        record(world, bound(2)).await;
        assert_eq!(known(world).await, [("10.1.0.5@green".to_owned(), before[0].1.clone())]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_leases_that_two_regions_record_at_once_are_one_each() {
    const EACH: u8 = 64;

    on_both(async |world| {
        network(world).await;
        let (here, other) = (vlan(world, "dc1/10").await, world.neighbour().await);
        for round in 0..4 {
            let all = |state| {
                let number = u64::from(round) + 1;
                (0..EACH).map(|host| told(here, [10, 0, round, host], number, state)).collect()
            };
            let (bound, released) = (all(LeaseState::Bound), all(LeaseState::Released));
            tokio::join!(record_in(&world.region, 7, bound), record_in(&other, 9, released));
        }
        let events = log(world).await.0.into_iter().filter(|event| event.kind == "lease");
        let mut told: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for event in events {
            told.entry(event.key).or_default().push((event.object, event.change, event.revision));
        }
        assert_eq!(told.len(), 4 * usize::from(EACH));
        for (key, told) in told {
            let [(first, Change::Created, 1), (second, Change::Updated, 2)] = told[..] else {
                panic!("{key}: {told:?}");
            };
            assert_eq!(first, second, "{key}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_found_by_what_they_are() {
    on_both(async |world| {
        network(world).await;
        let here = vlan(world, "dc1/10").await;
        let all = (0..1300u16).map(|number| {
            let [high, low] = number.to_be_bytes();
            told(here, [10, 0, high, low], u64::from(number) + 1, LeaseState::Bound)
        });
        record(world, all.collect()).await;
        for (filter, expected) in [
            ("subnet=10.0.0.0/24", 256),
            ("state=released", 0),
            ("vlan=dc1/10,host_name~WE", 1000),
            ("address>=10.0.0.0,address<10.0.0.4", 4),
            ("address<=10.0.0.4,key!=10.0.0.2", 4),
        ] {
            let request =
                ListRequest { filter: filter.into(), page_size: 1000, ..Default::default() };
            assert_eq!(world.keys("lease", request).await.unwrap().0.len(), expected, "{filter}");
        }
        let ended = NOW.shifted(2_000_000_000_000);
        let forget = move |conn: &mut Conn| forget_ended(conn, ended, 10);
        assert_eq!(world.region.db.transaction(forget).await.unwrap(), 0, "bound ones are kept");
        record(world, vec![told(here, [10, 0, 0, 1], 2000, LeaseState::Expired)]).await;
        assert_eq!(world.region.db.transaction(forget).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_free_is_known_of_each_subnet() {
    on_both(async |world| {
        network(world).await;
        let here = vlan(world, "dc1/10").await;
        let range = "subnet=10.0.0.0/24 first=10.0.0.100 last=10.0.0.109 dynamic=true";
        world.create("range", range).await.unwrap();
        let ends = world.region.clock.now().shifted(3_600_000_000);
        let bound = (100..103_u8).map(|host| LeaseChanged {
            ends,
            ..told(here, [10, 0, 0, host], u64::from(host), LeaseState::Bound)
        });
        record(world, bound.collect()).await;
        let fills = world.region.read(&admin(), usage::fills).await.unwrap();
        let fills: Vec<_> =
            fills.iter().map(|fill| (fill.subnet.as_str(), fill.held, fill.dynamic)).collect();
        assert_eq!(fills, [("10.0.0.0/24", 3, 10)]);
    })
    .await;
}
