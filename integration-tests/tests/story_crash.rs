//! The rack is killed again and again under load. What it had acknowledged to a client it knows afterwards, and so does region.

use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, SEGMENT_A, Wishes},
    ledger,
    swarm::Swarm,
};
use std::{thread, time::Duration};

const CLIENTS: u16 = 400;
const CRASHES: usize = 4;
const ANSWERED: Duration = Duration::from_secs(180);

#[test]
fn no_acknowledged_lease_is_lost() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("crs")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    let node = centre.node("crowd", SEGMENT_A)?;
    let mut swarm = Swarm::new(&node, 1, CLIENTS)?;
    let bound = swarm.counter();
    let rack = &mut centre.racks[0];
    thread::scope(|scope| -> anyhow::Result<()> {
        let binding = scope.spawn(|| swarm.bind(ANSWERED));
        for crash in 1..=CRASHES {
            // Each time with a further part of them bound, and the next in the midst of it.
            let enough = usize::from(CLIENTS) * crash / (CRASHES + 1);
            bound.reaches(enough, ANSWERED)?;
            rack.kill()?;
            rack.start()?;
        }
        binding.join().expect("no panic")
    })?;
    swarm.renew(ANSWERED)?;
    // A lease that the rack had forgotten would be refused, or answered with another address.
    assert_eq!(swarm.wrong, [""; 0]);
    ledger::nobody_shares(&[&swarm.acknowledged])?;
    assert_eq!(swarm.leases().len(), usize::from(CLIENTS));
    ledger::region_knows(&centre.region, &swarm.leases(), ANSWERED)
}
