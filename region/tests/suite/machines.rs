//! Machines, their interfaces, and what they boot.

use common::{Id, report::BootAttempt};
use plan::BootFile;
use proto::v1::{self, ListRequest, Write};
use region::operations::{self, OperationError, machine};
use uuid::Uuid;

use crate::support::{self, World, admin, on_both};

/// Boot files whose content is of no matter here.
pub(crate) async fn files(world: &World, paths: &'static [&'static str]) {
    let work = move |tx: &mut operations::Tx<'_>| {
        for path in paths {
            let file = BootFile {
                path: path.parse().unwrap(),
                size: 7.try_into().unwrap(),
                sha256: "ab".repeat(32).parse().unwrap(),
                note: String::new(),
            };
            operations::adopt(tx, file, "boot-file.created", "")?;
        }
        Ok(())
    };
    world.region.write(&admin(), work).await.unwrap();
}

async fn make(
    world: &World,
    name: &str,
    mac: &str,
    write: Write,
) -> Result<v1::Machine, OperationError> {
    let item = v1::Machine { name: name.into(), ..Default::default() };
    let (item, write) = (Some(item), Some(write));
    let request = v1::CreateMachineRequest { item, write, mac: mac.into() };
    world.region.write(&admin(), move |tx| machine::create(tx, &request)).await
}

async fn keys(world: &World, noun: &str, filter: &str) -> Vec<String> {
    let request = ListRequest { filter: filter.into(), ..Default::default() };
    world.keys(noun, request).await.unwrap().0
}

fn rules(outcome: Result<v1::Machine, OperationError>) -> Vec<String> {
    match outcome {
        Err(OperationError::Refused(objections)) => objections
            .iter()
            .map(|one| format!("{} {} {}", one.field, one.value, one.rule))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_comes_with_its_first_interface_or_not_at_all() {
    on_both(async |world| {
        let write = || Write { request_id: "r1".into(), ..Default::default() };
        let made = make(world, "n1", "52-54-00-00-00-01", write()).await.unwrap();
        assert_eq!(make(world, "n1", "52-54-00-00-00-01", write()).await.unwrap(), made);
        assert_eq!(keys(world, "interface", "machine=n1,mac=52:54:00:00:00:01").await, ["n1/eth0"]);
        let other = make(world, "n1", "52:54:00:00:00:02", write()).await;
        assert!(matches!(other, Err(OperationError::RequestIdTaken { .. })), "{other:?}");
        for (name, mac, expected) in [
            ("n2", "52:54:00:00:00:01", &["mac 52:54:00:00:00:01 is n1/eth0's already"][..]),
            (
                "n1",
                "52:54",
                &[
                    "name  there is already a machine n1",
                    "mac 52:54 must be a MAC address such as 52:54:00:12:34:56",
                ],
            ),
        ] {
            assert_eq!(rules(make(world, name, mac, Write::default()).await), expected);
        }
        make(world, "n3", "", Write::default()).await.unwrap();
        assert_eq!(keys(world, "machine", "").await, ["n1", "n3"]);
        assert_eq!(keys(world, "interface", "").await, ["n1/eth0"]);
        world.update("machine", "n1", "name=web1", Write::default()).await.unwrap();
        assert_eq!(keys(world, "interface", "").await, ["web1/eth0"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_eight_that_take_one_mac_address_one_gets_it() {
    on_both(async |world| {
        let mut makers = tokio::task::JoinSet::new();
        for number in 0..8 {
            let item = v1::Machine { name: format!("n{number}"), ..Default::default() };
            let mac = "52:54:00:00:00:01".to_owned();
            let request = v1::CreateMachineRequest { item: Some(item), write: None, mac };
            let region = world.region.clone();
            makers.spawn(async move {
                region.write(&admin(), move |tx| machine::create(tx, &request)).await
            });
        }
        let outcomes = makers.join_all().await;
        let told = |outcome: &&Result<v1::Machine, OperationError>| {
            matches!(outcome, Err(OperationError::Refused(all)) if all[0].rule.ends_with("'s already"))
        };
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert_eq!(outcomes.iter().filter(told).count(), 7, "{outcomes:?}");
        assert_eq!(keys(world, "machine", "").await.len(), 1);
    })
    .await;
}

fn attempt(mac: &str, uuid: u128, machine: Option<Uuid>) -> BootAttempt {
    BootAttempt {
        number: 1,
        id: Uuid::from_u128(1),
        vlan: Id::new(Uuid::from_u128(2)),
        mac: mac.parse().unwrap(),
        machine: machine.map(Id::new),
        architecture: Some(7),
        uuid: Some(Uuid::from_u128(uuid)),
        serial: format!("SN{uuid}"),
        stages: Vec::new(),
        outcome: common::report::BootOutcome::Running,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_boots_tells_who_it_is_and_is_found_by_it() {
    on_both(async |world| {
        let n1 = make(world, "n1", "52:54:00:00:00:01", Write::default()).await.unwrap();
        let n1: Uuid = n1.meta.unwrap().id.parse().unwrap();
        make(world, "n2", "52:54:00:00:00:02", Write::default()).await.unwrap();
        let gone = Some(Uuid::from_u128(99));
        for (attempt, told) in [
            (attempt("52:54:00:00:00:01", 7, None), 1),
            (attempt("52:54:00:00:00:01", 7, None), 1),
            // By another interface, which the rack knew by its UUID.
            (attempt("52:54:00:00:00:09", 8, Some(n1)), 2),
            (attempt("52:54:00:00:00:08", 9, gone), 2),
            (attempt("52:54:00:00:00:08", 9, None), 2),
        ] {
            let seen = move |tx: &mut operations::Tx<'_>| machine::seen(tx, &attempt);
            world.region.write(&admin(), seen).await.unwrap();
            let (log, _) = support::log(world).await;
            assert_eq!(log.iter().filter(|event| event.name == "machine.seen").count(), told);
        }
        for (filter, expected) in [
            ("uuid=00000000-0000-0000-0000-000000000008", &["n1"][..]),
            ("serial~sn8,architecture=uefi-x64", &["n1"]),
            ("mac=52-54-00-00-00-01", &["n1"]),
            ("mac~00:00:02", &["n2"]),
            ("mac~52:54,name~n", &["n1", "n2"]),
            ("mac=52:54:00:00:00:09", &[]),
        ] {
            assert_eq!(keys(world, "machine", filter).await, expected, "{filter}");
        }
        let request = ListRequest { filter: "mac>52".into(), ..Default::default() };
        let refused = world.keys("machine", request).await.unwrap_err();
        assert!(refused.to_string().contains("can be compared by = ~"), "{refused}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_machines_boot_stays_while_it_is_named() {
    on_both(async |world| {
        files(world, &["d/uefi-x64/k", "d/i", "l"]).await;
        let fields = "name=debian target=kernel kernel=d/{arch}/k initrds=d/i loaders=bios=l";
        world.create("boot-profile", fields).await.unwrap();
        let default = world.create("boot-default", "boot_profile=debian loaders=uefi-x64=l").await;
        assert_eq!(default.unwrap(), "region");
        world.create("machine", "name=n1 boot_profile=debian architecture=uefi-x64").await.unwrap();
        world.create("interface", "machine=n1 name=eth0 mac=52:54:00:00:00:01").await.unwrap();
        for (noun, id, users) in [
            ("boot-profile", "debian", "boot-default region, machine n1"),
            ("machine", "n1", "interface n1/eth0"),
            ("boot-file", "l", "boot-default region, boot-profile debian"),
            ("boot-file", "d/i", "boot-profile debian"),
            ("boot-file", "d/uefi-x64/k", "boot-profile debian"),
        ] {
            match world.delete(noun, id).await {
                Err(OperationError::InUse { users: named, .. }) => assert_eq!(named, users),
                other => panic!("{noun} {id}: {other:?}"),
            }
        }
        for (noun, id) in [
            ("interface", "n1/eth0"),
            ("machine", "n1"),
            ("boot-default", "region"),
            ("boot-profile", "debian"),
            ("boot-file", "l"),
            ("boot-file", "d/i"),
        ] {
            world.delete(noun, id).await.unwrap();
        }
    })
    .await;
}

/// A path is no reference, so a deletion does not wait for it by itself.
#[tokio::test(flavor = "multi_thread")]
async fn no_profile_names_a_file_that_goes() {
    on_both(async |world| {
        for _ in 0..10 {
            files(world, &["k"]).await;
            let (made, gone) = tokio::join!(
                world.create("boot-profile", "name=p target=kernel kernel=k"),
                world.delete("boot-file", "k")
            );
            match (made, gone) {
                (Ok(_), Err(OperationError::InUse { .. })) => {
                    world.delete("boot-profile", "p").await.unwrap();
                    world.delete("boot-file", "k").await.unwrap();
                }
                (Err(OperationError::Refused(objections)), Ok(())) => {
                    assert_eq!(objections[0].field, "kernel");
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}
