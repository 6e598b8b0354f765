//! A subnet is changed again and again under load: nobody waits longer, nobody gets a wrong answer, the next client hears the new values.

use anyhow::{Context, ensure};
use hostler_integration_tests::lab::{
    Lab, Process,
    centre::{Centre, SEGMENT_A, Wishes},
    machine::{Client, INTERFACE},
};
use std::time::Duration;

/// A fifth of what a debug build on a busy machine manages, or less.
const RATE: u32 = 100;
const EXCHANGES: u32 = 2000;
/// An answer that takes longer is lost.
const LOST_AFTER_SECONDS: &str = "5";

#[test]
fn a_change_under_load_loses_nothing() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("chg")? else { return Ok(()) };
    let centre = Centre::build(lab, Wishes::default())?;
    let node = centre.node("load", SEGMENT_A)?;
    node.address(INTERFACE, "10.77.0.200/16")?;
    let pids = || centre.racks.iter().map(|rack| rack.process_id()).collect::<Vec<_>>();
    let before = pids();

    let mut perfdhcp = node.command("perfdhcp");
    perfdhcp.args(["-4", "-l", INTERFACE, "-L", "67", "-d", LOST_AFTER_SECONDS, "-W", "5000000"]);
    perfdhcp.args(["-r", &RATE.to_string(), "-n", &EXCHANGES.to_string()]);
    perfdhcp.args(["-R", &EXCHANGES.to_string(), "-u", "10.77.0.2"]);
    let mut load = Process::start("perfdhcp", centre.lab.folder(), &mut perfdhcp)?;
    let mut changes = 0_u32;
    while load.running()? {
        changes += 1;
        let dns = format!("10.77.0.{}", 100 + changes % 100);
        let words = ["subnet", "update", "10.77.0.0/16", "--dns-servers", &dns];
        let told = centre.region.hostler_wait(&words).with_context(|| {
            let status = centre.racks[0].says().unwrap_or_else(|error| format!("{error:#}"));
            format!("change {changes}; rack1 says\n{status}")
        })?;
        for rack in ["rack1", "rack2"] {
            assert!(told.contains(rack), "--wait does not name {rack}: {told}");
        }
    }
    let status = load.wait(Duration::from_secs(1))?;
    let report = load.log()?;
    ensure!(status.success(), "perfdhcp: {status}\n{report}");
    assert!(changes >= 3, "{changes} changes are no test");
    let counted = |name: &str| -> anyhow::Result<Vec<u32>> {
        report
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")))
            .map(|number| number.trim().parse().context("a number"))
            .collect()
    };
    // Once for DISCOVER and OFFER, once for REQUEST and ACK.
    assert_eq!(counted("sent packets")?, [EXCHANGES; 2], "{report}");
    assert_eq!(counted("received packets")?, [EXCHANGES; 2], "{report}");
    assert_eq!(counted("drops")?, [0; 2], "{report}");
    assert_eq!(counted("orphans")?, [0; 2], "{report}");
    assert_eq!(counted("non unique addresses")?, [0; 2], "{report}");
    assert_eq!(pids(), before, "a rack was restarted");

    let last = format!("10.77.0.{}", 100 + changes % 100);
    let (_running, told) = centre.machine("next", SEGMENT_A)?.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), [last], "after {changes} changes");
    Ok(())
}
