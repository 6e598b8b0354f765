//! Leases are written in bulk and read like any resource.

use common::{
    Id, RackId, Timestamp, VlanId,
    report::{Client, LeaseChanged, LeaseState},
};
use plan::{Lease, Vlan};
use proto::v1::ListRequest;
use region::{
    db::leases::{LeaseRow, Upserted, forget_ended, upsert},
    operations,
};

use crate::{
    network,
    support::{World, admin, on_both},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

async fn vlan(world: &World, key: &'static str) -> VlanId {
    let find = move |tx: &mut operations::Tx<'_>| operations::find::<Vlan>(tx.conn, key);
    world.region.read(&admin(), find).await.unwrap().id.cast()
}

fn row(vlan: VlanId, address: [u8; 4], number: u64, state: LeaseState) -> LeaseRow {
    LeaseRow {
        rack: RackId::new(uuid::Uuid::from_u128(7)),
        lease: LeaseChanged {
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
        },
    }
}

async fn save(world: &World, rows: Vec<LeaseRow>) -> Vec<Upserted> {
    world.region.db.transaction(move |conn| upsert(conn, &rows, NOW)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_last_of_an_address_counts_and_a_renewal_is_no_news() {
    on_both(async |world| {
        network(world).await;
        let (here, nowhere) = (vlan(world, "dc1/10").await, Id::new(uuid::Uuid::from_u128(9)));
        let bound = |number| row(here, [10, 0, 0, 100], number, LeaseState::Bound);
        let first = vec![
            bound(1),
            bound(2),
            row(nowhere, [10, 0, 0, 100], 3, LeaseState::Bound),
            row(here, [10, 9, 0, 1], 4, LeaseState::Bound),
        ];
        let made = save(world, first).await;
        let keys: Vec<_> = made.iter().map(|one| one.after.key.clone()).collect();
        let elsewhere = format!("10.9.0.1@{here}");
        assert_eq!(keys, ["10.0.0.100", &format!("10.0.0.100@{nowhere}"), &elsewhere]);
        assert!(made.iter().all(|one| one.is_news() && one.before.is_none()));
        let [renewed] = save(world, vec![bound(5)]).await.try_into().unwrap();
        assert_eq!((renewed.is_news(), renewed.after.revision), (false, 2));
        let released = row(here, [10, 0, 0, 100], 6, LeaseState::Released);
        let [released] = save(world, vec![released]).await.try_into().unwrap();
        assert!(released.is_news());
        assert_eq!(released.before.unwrap().value.state, LeaseState::Bound);
        let got = world
            .region
            .read(&admin(), |tx| operations::get::<Lease>(tx, "10.0.0.100"))
            .await
            .unwrap();
        let meta = got.meta.unwrap();
        assert_eq!((meta.revision, meta.id), (3, made[0].after.id.to_string()));
        assert_eq!(
            [got.state, got.mac, got.client_id, got.host_name, got.vlan, got.subnet],
            ["released", "02:00:00:00:00:01", "0102", "we\\\\b\\x1b[1", "dc1/10", "10.0.0.0/24"]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_found_by_what_they_are() {
    on_both(async |world| {
        network(world).await;
        let here = vlan(world, "dc1/10").await;
        let all: Vec<LeaseRow> = (0..1300u16)
            .map(|number| {
                let [high, low] = number.to_be_bytes();
                row(here, [10, 0, high, low], u64::from(number) + 1, LeaseState::Bound)
            })
            .collect();
        let twice = [save(world, all.clone()).await, save(world, all).await];
        assert_eq!(twice.map(|saved| saved.len()), [1300, 1300]);
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
        let forget = move |conn: &mut _| forget_ended(conn, ended, 10);
        assert_eq!(world.region.db.transaction(forget).await.unwrap(), 0, "bound ones are kept");
        let over = vec![row(here, [10, 0, 0, 1], 1, LeaseState::Expired)];
        save(world, over).await;
        let forget = move |conn: &mut _| forget_ended(conn, ended, 10);
        assert_eq!(world.region.db.transaction(forget).await.unwrap(), 1);
    })
    .await;
}
