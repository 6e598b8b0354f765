//! What machines boot, as racks are told it.

use hostler_integration_tests::fake_rack::{Stream, verdict};
use proto::{
    convert::rack_config::decode,
    v1::{self, Progress, VerdictKind},
};
use std::collections::BTreeSet;

use super::{
    bench::with_doors,
    configurations::{seen, wait},
};

/// A machine may be switched on where any rack serves, so each of them is told, and whoever waits, waits for both.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_machine_boots_reaches_both_racks() {
    with_doors(async |doors| {
        let racks = [doors.rack("r1").await, doors.rack("r2").await];
        doors.network("r1").await;
        doors.update("vlan", "dc1/10", "secondary_rack=r2").await;
        doors.create("boot-profile", "name=disk target=local-disk").await;
        doors.create("machine", "name=n1").await;
        doors.create("interface", "machine=n1 name=eth0 mac=52:54:00:00:00:01").await;
        let mut streams = Vec::new();
        for rack in &racks {
            let mut stream = rack.connect(rack.hello()).await.unwrap();
            // Each change on the way may come by itself.
            let told = boot_scope(&mut stream, |boot| {
                boot.machines.iter().any(|own| !own.macs.is_empty())
            });
            let told = told.await;
            assert_eq!(told.machines[0].macs, ["52:54:00:00:00:01"]);
            assert_eq!(told.machines[0].profile, "");
            streams.push(stream);
        }
        let cursor = doors.update("machine", "n1", "boot_profile=disk").await;
        let mut waiting = wait(doors, &cursor).await;
        for stream in &mut streams {
            let told = boot_scope(stream, |boot| boot.machines[0].profile == "disk").await;
            assert_eq!(told.profiles[0].name, "disk");
        }
        // Seen by the operator when the second has answered, too.
        let mut applied = BTreeSet::new();
        while applied.len() < 2 {
            for own in seen(&mut waiting, Progress::Applied).await {
                if own.progress() == Progress::Applied {
                    assert_eq!(own.name, "boot");
                    applied.insert(own.rack);
                }
            }
        }
        // What no rack has to know stamps nothing.
        let cursor = doors.update("machine", "n1", "note=new").await;
        let settled = wait(doors, &cursor).await.message().await.unwrap().unwrap();
        assert!(settled.settled && settled.scopes.is_empty(), "{settled:?}");
    })
    .await;
}

/// Says "applied" to all that comes, until a boot scope comes that is wanted.
async fn boot_scope(
    stream: &mut Stream,
    wanted: impl Fn(&v1::BootConfig) -> bool,
) -> v1::BootConfig {
    loop {
        let scope = stream.scope().await.unwrap();
        stream.answer(&scope, verdict(VerdictKind::Applied)).await.unwrap();
        decode(&scope.content).unwrap();
        let content: v1::ScopeConfig = prost::Message::decode(scope.content.as_slice()).unwrap();
        match content.scope.unwrap() {
            v1::scope_config::Scope::Boot(boot) if wanted(&boot) => return boot,
            v1::scope_config::Scope::Boot(_) | v1::scope_config::Scope::Dhcp(_) => {}
        }
    }
}
