//! Region is killed and the rack is rebooted while a hundred clients renew and a hundred new ones come. Afterwards region knows exactly what they were
//! promised, each told once.

use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, SEGMENT_A, Wishes},
    ledger,
    swarm::Swarm,
};
use std::{thread, time::Duration};

const CLIENTS: u16 = 100;
const ANSWERED: Duration = Duration::from_secs(120);

#[test]
fn nothing_is_lost_while_region_and_rack_are_down() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("out")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    let (old, new) = (centre.node("old", SEGMENT_A)?, centre.node("new", SEGMENT_A)?);
    let mut old = Swarm::new(&old, 1, CLIENTS)?;
    let mut new = Swarm::new(&new, 2, CLIENTS)?;
    old.bind(ANSWERED)?;

    let come = new.counter();
    centre.region.kill()?;
    thread::scope(|scope| {
        let renewing = scope.spawn(|| -> anyhow::Result<()> {
            for _ in 0..3 {
                old.renew(ANSWERED)?;
            }
            Ok(())
        });
        let binding = scope.spawn(|| new.bind(ANSWERED));
        // In the midst of it, with region away: the rack has only what is on its disk.
        come.reaches(usize::from(CLIENTS) / 5, ANSWERED)?;
        centre.racks[0].kill()?;
        centre.racks[0].start()?;
        renewing.join().expect("no panic")?;
        binding.join().expect("no panic")
    })?;
    assert_eq!(old.wrong, [""; 0]);
    assert_eq!(new.wrong, [""; 0]);

    centre.region.start()?;
    centre.region.ready()?;
    ledger::nobody_shares(&[&old.acknowledged, &new.acknowledged])?;
    let all = [old.leases(), new.leases()].concat();
    assert_eq!(all.len(), usize::from(2 * CLIENTS));
    ledger::region_knows(&centre.region, &all, ANSWERED)
}
