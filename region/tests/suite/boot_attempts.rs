//! Boot attempts as racks tell them: one row each, events where one starts and where it ends.

use common::{
    Id, RackId, Timestamp,
    report::{BootAttempt, BootOutcome, BootStage, BootStep, FactClass},
};
use proto::v1::ListRequest;
use region::{
    db::{Conn, boot_attempts, positions::Outbox},
    operations::{
        Tx,
        boot_attempt::{self, Facts},
        get, list,
    },
};
use uuid::Uuid;

use crate::{
    network,
    support::{World, admin, log, on_both},
};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// Attempt `id` of the machine with that MAC, after so many steps.
fn told(number: u64, id: u128, mac: &str, steps: usize, outcome: BootOutcome) -> BootAttempt {
    let steps =
        [BootStep::Discover, BootStep::Offer, BootStep::LoaderRequested, BootStep::LoaderDone]
            [..steps]
            .iter();
    let stage = |(at, step): (i64, &BootStep)| BootStage {
        step: *step,
        at: NOW.shifted(at * 1_500_000),
        detail: if *step == BootStep::LoaderRequested {
            "ipxe/snponly.efi".into()
        } else {
            String::new()
        },
        bytes: 0,
    };
    BootAttempt {
        number,
        id: Uuid::from_u128(id),
        vlan: Id::new(Uuid::from_u128(9)),
        mac: mac.parse().unwrap(),
        machine: None,
        architecture: Some(7),
        uuid: Some(Uuid::from_u128(77)),
        serial: "SN1".into(),
        stages: (0..).zip(steps).map(stage).collect(),
        outcome,
    }
}

async fn record(world: &World, rack: u128, attempts: Vec<BootAttempt>) -> u64 {
    let newest = attempts.iter().map(|attempt| attempt.number).max().unwrap_or_default();
    let outbox = Outbox {
        rack: RackId::new(Uuid::from_u128(rack)),
        incarnation: Uuid::from_u128(8),
        class: FactClass::Boot,
    };
    let facts = Facts { outbox, rack: format!("rack{rack}"), attempts, newest };
    boot_attempt::record(&world.region, vec![facts]).await.unwrap()[0]
}

async fn attempts(world: &World, filter: &str) -> Vec<proto::v1::BootAttempt> {
    let request = ListRequest { filter: filter.into(), ..ListRequest::default() };
    let list = move |tx: &mut Tx<'_>| list::list::<plan::BootAttempt>(tx, &request);
    world.region.read(&admin(), list).await.unwrap().items
}

async fn events(world: &World) -> Vec<(String, String)> {
    let events = log(world).await.0.into_iter().filter(|event| event.name.starts_with("boot."));
    events.map(|event| (event.name, event.detail)).collect()
}

const ONE: &str = "52:54:00:00:00:01";
const TWO: &str = "52:54:00:00:00:02";

use BootOutcome::{Finished, Running};

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_one_row_and_an_event_where_it_starts_and_ends() {
    on_both(async |world| {
        let stalled = |cause: &str| BootOutcome::Stalled { cause: cause.into() };
        assert_eq!(record(world, 7, vec![told(1, 1, ONE, 1, Running)]).await, 1);
        assert_eq!(
            record(world, 7, vec![told(2, 1, ONE, 3, Running), told(3, 2, TWO, 1, Running)]).await,
            3
        );
        // Sent again, alone and with what is new.
        assert_eq!(record(world, 7, vec![told(2, 1, ONE, 3, Running)]).await, 3);
        let new = vec![told(3, 2, TWO, 1, Running), told(4, 1, ONE, 4, stalled("Secure Boot"))];
        assert_eq!(record(world, 7, new).await, 4);
        record(world, 7, vec![told(5, 2, TWO, 4, Finished), told(6, 3, TWO, 2, stalled(""))]).await;
        let told_of = events(world).await;
        let expected = [
            ("boot.started", "uefi-x64"),
            ("boot.started", "uefi-x64"),
            ("boot.stalled", "at loader-done: Secure Boot"),
            ("boot.finished", "after 4 s"),
            ("boot.started", "uefi-x64"),
            ("boot.stalled", "at offer: it never asked for its loader"),
        ];
        for (found, (name, detail)) in told_of.iter().zip(expected) {
            assert!(found.0 == name && found.1.starts_with(detail), "{found:?} {name} {detail}");
        }
        assert_eq!(told_of.len(), expected.len());
        let found = attempts(world, &format!("mac={ONE}")).await;
        assert_eq!(found.len(), 1);
        let (attempt, meta) = (&found[0], found[0].meta.as_ref().unwrap());
        assert_eq!(meta.key, format!("{ONE}@000000000001"));
        let texts = [&attempt.outcome, &attempt.stage, &attempt.cause, &attempt.architecture];
        assert_eq!(texts, ["stalled", "loader-done", "Secure Boot", "uefi-x64"]);
        let stages: Vec<_> =
            attempt.stages.iter().map(|own| (own.step.as_str(), own.detail.as_str())).collect();
        let expected = [
            ("discover", ""),
            ("offer", ""),
            ("loader-requested", "ipxe/snponly.efi"),
            ("loader-done", ""),
        ];
        assert_eq!(stages, expected);
        assert_eq!(attempt.stages[3].at.unwrap().seconds, 1_800_000_004);
        for (filter, count) in [
            ("outcome=stalled", 2),
            ("outcome=finished", 1),
            ("outcome!=running", 3),
            ("stages~snponly", 2),
            ("cause~secure", 1),
        ] {
            assert_eq!(attempts(world, filter).await.len(), count, "{filter}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rack_changes_what_another_told() {
    on_both(async |world| {
        record(world, 7, vec![told(1, 1, ONE, 1, Running)]).await;
        record(world, 6, vec![told(1, 1, TWO, 2, Finished), told(2, 2, TWO, 1, Running)]).await;
        let found = attempts(world, "").await;
        let found: Vec<_> =
            found.iter().map(|own| (own.mac.as_str(), own.stage.as_str())).collect();
        assert_eq!(found, [(ONE, "discover"), (TWO, "discover")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_known_machine_tells_of_itself_is_kept_with_it() {
    on_both(async |world| {
        network(world).await;
        world.create("machine", "name=n1").await.unwrap();
        world.create("interface", &format!("machine=n1 name=eth0 mac={ONE}")).await.unwrap();
        record(world, 7, vec![told(1, 1, ONE, 1, Running), told(2, 2, TWO, 1, Running)]).await;
        let found = attempts(world, "machine=n1").await;
        assert_eq!((found.len(), found[0].machine.as_str()), (1, "n1"));
        let machine = |tx: &mut Tx<'_>| get::<plan::Machine>(tx, "n1");
        let machine = world.region.read(&admin(), machine).await.unwrap();
        assert_eq!(machine.uuid, Uuid::from_u128(77).to_string());
        assert_eq!((machine.serial.as_str(), machine.architecture.as_str()), ("SN1", "uefi-x64"));
        // Its boots are no reason to keep it.
        world.delete("interface", "n1/eth0").await.unwrap();
        world.delete("machine", "n1").await.unwrap();
        assert_eq!(attempts(world, "").await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rack_that_counts_anew_tells_of_another_attempt() {
    on_both(async |world| {
        let id = |session: u128| session << 64 | 1;
        record(world, 7, vec![told(1, id(5), ONE, 1, Running)]).await;
        assert_eq!(record(world, 7, vec![told(2, id(6), ONE, 1, Running)]).await, 2);
        assert_eq!(attempts(world, &format!("mac={ONE}")).await.len(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten() {
    on_both(async |world| {
        record(world, 7, vec![told(1, 1, ONE, 1, Running), told(2, 2, TWO, 1, Running)]).await;
        let forget = async |since: Timestamp| {
            let work = move |conn: &mut Conn| boot_attempts::forget(conn, since, 1);
            world.region.db.transaction(work).await.unwrap()
        };
        assert_eq!(forget(NOW).await, 0, "heard of since");
        let later = world.region.clock.now().max(NOW).shifted(1);
        assert_eq!([forget(later).await, forget(later).await, forget(later).await], [1, 1, 0]);
    })
    .await;
}
