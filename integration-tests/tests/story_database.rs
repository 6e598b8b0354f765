//! The database goes away and comes back: operators are told, racks serve on, nothing is lost.

use hostler_integration_tests::lab::{
    Lab,
    centre::{Centre, SEGMENT_A, Wishes},
    ledger,
    postgres::Postgres,
    swarm::Swarm,
    until,
};
use std::time::Duration;

const ANSWERED: Duration = Duration::from_secs(60);

#[test]
fn racks_serve_on_without_the_database() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("dba")? else { return Ok(()) };
    let wires = Centre::wire(&lab)?;
    let mut postgres = Postgres::new(&wires.region, lab.folder())?;
    let wishes =
        Wishes { database: Some("postgres://postgres@127.0.0.1/postgres"), ..Wishes::default() };
    let centre = Centre::furnish(lab, wires, wishes)?;
    let node = centre.node("crowd", SEGMENT_A)?;
    let mut before = Swarm::new(&node, 1, 10)?;
    before.bind(ANSWERED)?;
    ledger::region_knows(&centre.region, &before.leases(), ANSWERED)?;

    postgres.stop()?;
    let refused = centre.region.hostler(&["fabric", "list"]);
    let refused = format!("{:#}", refused.expect_err("there is no database"));
    // 3 is what the command line makes of UNAVAILABLE.
    for words in ["exit status: 3", "the database is away"] {
        assert!(refused.contains(words), "{refused}");
    }
    let node = centre.node("later", SEGMENT_A)?;
    let mut meanwhile = Swarm::new(&node, 2, 10)?;
    meanwhile.bind(ANSWERED)?;
    before.renew(ANSWERED)?;

    postgres.start()?;
    until(ANSWERED, "operators are answered again", || {
        centre.region.hostler(&["fabric", "list"]).map(Some)
    })?;
    let all = [before.leases(), meanwhile.leases()].concat();
    ledger::region_knows(&centre.region, &all, ANSWERED)?;
    assert_eq!((before.wrong.len(), meanwhile.wrong.len()), (0, 0));
    Ok(())
}
