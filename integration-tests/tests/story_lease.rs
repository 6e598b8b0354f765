//! A lease from a real client, direct or behind a relay, is with region and its watchers within a second.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, DNS, SEGMENT_A, SEGMENT_B, Wishes},
    machine::Client,
    until,
};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(1);

#[test]
fn a_lease_is_with_region_within_a_second() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("lse")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    centre.relay()?;
    let watch = centre.region.watch("events", "event")?;
    for (name, segment, client) in [
        ("a1", SEGMENT_A, Client::Udhcpc),
        ("a2", SEGMENT_A, Client::Dhclient),
        ("a3", SEGMENT_A, Client::Dhcpcd),
        ("b1", SEGMENT_B, Client::Udhcpc),
        ("b2", SEGMENT_B, Client::Dhclient),
        ("b3", SEGMENT_B, Client::Dhcpcd),
    ] {
        let machine = centre.machine(name, segment)?;
        let (running, told) = machine.lease(client, &[])?;
        let address = told.address()?;
        watch.sees_lease(address, WITHIN).with_context(|| format!("{name} by {client:?}"))?;
        assert_eq!(told.dns(), [DNS], "{name} by {client:?}");

        let found = centre.region.list("lease", &format!("mac={}", machine.mac()?))?;
        let [lease] = found.as_slice() else { panic!("{name} has one lease, not {found:?}") };
        let relayed = segment == SEGMENT_B;
        assert_eq!(lease["address"], address.to_string(), "{lease}");
        assert_eq!(lease["state"], "bound", "{lease}");
        assert_eq!(lease["vlan"], if relayed { "dc1/20" } else { "dc1/10" }, "{lease}");
        // Option 82 with its one suboption: the circuit, which dhcrelay names after the interface.
        let option_82 = lease["relay_information"].as_str().unwrap_or_default();
        assert_eq!(option_82.contains(&hex("segb")), relayed, "{lease}");

        if client != Client::Dhcpcd {
            machine.release(client, running)?;
            watch.sees("lease.released", &address.to_string(), WITHIN)?;
        }
    }
    let bound = |state: &str| centre.region.list("lease", &format!("state={state}"));
    until(WITHIN, "two of six are left", || {
        Ok((bound("bound")?.len() == 2 && bound("released")?.len() == 4).then_some(()))
    })
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
