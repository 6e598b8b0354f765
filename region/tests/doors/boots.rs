//! Boot attempts over the stream: a class of facts of its own.

use proto::v1::{self, from_rack};

use super::bench::with_doors;

fn fact(number: u64, outcome: v1::BootOutcome) -> v1::BootFact {
    v1::BootFact {
        number,
        id: "0190a5f0-0000-7000-8000-00000000000a".into(),
        vlan: "0190a5f0-0000-7000-8000-000000000001".into(),
        mac: "52:54:00:12:34:56".into(),
        architecture: Some(7),
        stages: vec![v1::BootStage {
            step: v1::BootStep::Discover.into(),
            at: 1_000_000,
            ..v1::BootStage::default()
        }],
        outcome: outcome.into(),
        cause: "nobody answers".into(),
        ..v1::BootFact::default()
    }
}

fn batch(boots: Vec<v1::BootFact>) -> from_rack::Message {
    from_rack::Message::Facts(v1::FactBatch {
        class: v1::FactClass::Boot.into(),
        sent_at: 2_000_000,
        boots,
        ..v1::FactBatch::default()
    })
}

use v1::BootOutcome::{Running, Stalled};

#[tokio::test(flavor = "multi_thread")]
async fn boots_are_recorded_once_each_beside_leases() {
    with_doors(async |doors| {
        let rack = doors.rack("r1").await;
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        let recorded = |hello: &v1::RegionHello| -> Vec<(v1::FactClass, u64)> {
            hello.recorded.iter().map(|one| (one.class(), one.number)).collect()
        };
        let at = |boots| vec![(v1::FactClass::Lease, 0), (v1::FactClass::Boot, boots)];
        assert_eq!(recorded(&stream.hello), at(0));
        // One that cannot be read is left out, and not sent again.
        let unreadable = v1::BootFact { mac: "nobody".into(), ..fact(2, Running) };
        stream.send(batch(vec![fact(1, Running), unreadable])).await.unwrap();
        assert_eq!(stream.recorded().await.unwrap(), 2);
        stream.send(batch(vec![fact(1, Running), fact(3, Stalled)])).await.unwrap();
        assert_eq!(stream.recorded().await.unwrap(), 3);
        let mut stream = rack.connect(rack.hello()).await.unwrap();
        assert_eq!(recorded(&stream.hello), at(3));
        stream.send(batch(vec![fact(3, Stalled)])).await.unwrap();
        assert_eq!(stream.recorded().await.unwrap(), 3);
        let attempts: Vec<v1::BootAttempt> = doors.list("boot-attempt").await;
        let found: Vec<_> =
            attempts.iter().map(|own| [own.rack.as_str(), &own.stage, &own.outcome]).collect();
        assert_eq!(found, [["r1", "discover", "stalled"]]);
        // By region's clock: the rack's says 1970.
        let (began, now) = (attempts[0].started_at.unwrap().seconds, doors.clock.now().seconds());
        assert!((now - 60..=now).contains(&began), "{began} at {now}");
        let log = doors.log().await.into_iter().filter(|event| event.name.starts_with("boot."));
        let log: Vec<_> = log.map(|event| (event.name, event.actor)).collect();
        let told = |name: &str| (name.to_owned(), "r1".to_owned());
        assert_eq!(log, [told("boot.started"), told("boot.stalled")]);
    })
    .await;
}
