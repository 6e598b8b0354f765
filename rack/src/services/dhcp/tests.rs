use common::{
    IpRange, Lifetime, SubnetId, VlanId,
    dhcp_options::OptionSet,
    rack_config::{DhcpSubnet, DhcpVlan, Role},
    report::{ServiceState, Verdict},
};
use runtime::{clock::Clock, tasks::Tasks};
use std::{collections::BTreeSet, net::IpAddr, path::Path, time::Duration};
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::services::boot_trace;

const LIMIT: Duration = Duration::from_secs(20);

fn start(directory: &Path, tasks: &Tasks) -> DhcpService {
    let settings = DhcpSettings {
        directory: directory.into(),
        segment_bytes: 1 << 20,
        outbox_bytes: None,
        clock: Clock::system(),
        sightings: boot_trace::channel().0,
    };
    DhcpService::start(settings, tasks).unwrap().0
}

fn vlan(role: Role) -> DhcpVlan {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let range = IpRange::new(ip("10.0.0.100"), ip("10.0.0.199")).unwrap();
    let subnet = DhcpSubnet {
        id: SubnetId::new(Uuid::from_u128(2)),
        prefix: "10.0.0.0/24".parse().unwrap(),
        dynamic: [range].into_iter().collect(),
        reservations: Vec::new(),
        lease: Lifetime::DEFAULT,
        options: OptionSet::new(),
        next_server: None,
        boot_file: String::new(),
        disabled_boot: BTreeSet::new(),
    };
    DhcpVlan::new(VlanId::new(Uuid::from_u128(1)), "dc1/10".into(), role, vec![subnet]).unwrap()
}

fn link(interface: &str) -> Vec<LinkAddresses> {
    let addresses = vec!["10.0.0.1/24".parse().unwrap()];
    vec![LinkAddresses { interface: interface.into(), addresses }]
}

async fn wait_for(service: &DhcpService, state: ServiceState, detail: &str) {
    let mut status = service.status();
    let found = status.wait_for(|status| status.state == state && status.detail == detail);
    let found = timeout(LIMIT, found).await.map(|found| found.unwrap().clone());
    assert!(found.is_ok(), "{detail:?} is not said, but {:?}", service.status().borrow());
}

#[tokio::test]
async fn a_vlan_is_served_refused_and_withdrawn() {
    let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let service = start(folder.path(), &tasks);
    let id = vlan(Role::Primary).vlan;
    wait_for(&service, ServiceState::Idle, "serves no VLAN").await;

    let gone = service.apply(vlan(Role::Primary), link("nowhere0")).await;
    let reason = "interface nowhere0 is not there".to_owned();
    assert_eq!(gone, Verdict::Refused { objections: Vec::new(), reason });
    wait_for(&service, ServiceState::Idle, "serves no VLAN").await;

    // Its clients come by relays.
    assert_eq!(service.apply(vlan(Role::Primary), Vec::new()).await, Verdict::Applied);
    wait_for(&service, ServiceState::Running, "serves 1 VLAN, 0 leases").await;
    let refused = service.apply(vlan(Role::Primary), link("nowhere0")).await;
    assert!(matches!(refused, Verdict::Refused { .. }));
    wait_for(&service, ServiceState::Running, "serves 1 VLAN, 0 leases").await;

    let address = "10.0.0.100".parse().unwrap();
    let released = service.release(id, address).await;
    assert_eq!(released, Err("10.0.0.100: that address has no lease".into()));
    let elsewhere = service.release(VlanId::new(Uuid::nil()), address).await;
    assert_eq!(elsewhere, Err("10.0.0.100: this rack has no leases of that VLAN".into()));

    assert_eq!(service.apply(vlan(Role::Secondary), link("nowhere0")).await, Verdict::Standby);
    wait_for(&service, ServiceState::Idle, "serves no VLAN").await;
    service.withdraw(id).await;
    assert_eq!(tasks.close(LIMIT).await, Vec::<&str>::new());
}

#[tokio::test]
async fn the_threads_end_with_the_rest_and_answer_nobody_then() {
    let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let service = start(folder.path(), &tasks);
    assert_eq!(tasks.close(LIMIT).await, Vec::<&str>::new());
    let reason = "the rack is shutting down".to_owned();
    let late = service.apply(vlan(Role::Primary), Vec::new()).await;
    assert_eq!(late, Verdict::Refused { objections: Vec::new(), reason: reason.clone() });
    let released = service.release(vlan(Role::Primary).vlan, "10.0.0.100".parse().unwrap()).await;
    assert_eq!(released, Err(reason));
    service.withdraw(vlan(Role::Primary).vlan).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, []).unwrap();
    let settings = DhcpSettings {
        directory: file.clone(),
        segment_bytes: 1 << 20,
        outbox_bytes: None,
        clock: Clock::system(),
        sightings: boot_trace::channel().0,
    };
    let failed = DhcpService::start(settings, &Tasks::new()).unwrap_err();
    assert!(failed.to_string().contains(file.to_str().unwrap()), "{failed}");
}
