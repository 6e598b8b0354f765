//! Leases are written in bulk and read like any resource.

use common::{
    Id, RackId, Timestamp, VlanId,
    report::{Client, FactClass, LeaseChanged, LeaseState},
};
use plan::{Lease, Vlan};
use proto::v1::ListRequest;
use region::{
    db::{Conn, leases::forget_ended, positions::Outbox},
    operations::{
        self,
        lease::{self, Facts},
    },
};
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
    let newest = leases.iter().map(|lease| lease.number).max().unwrap_or_default();
    let facts = Facts {
        outbox: Outbox {
            rack: RackId::new(Uuid::from_u128(7)),
            incarnation: Uuid::from_u128(8),
            class: FactClass::Lease,
        },
        rack: "rack1".into(),
        leases,
        newest,
        snapshot: None,
    };
    assert_eq!(lease::record(&world.region, vec![facts]).await.unwrap(), [newest]);
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
