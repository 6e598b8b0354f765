//! A page that stays open while region is away says so, and shows afterwards what it missed.

use hostler_integration_tests::lab::{
    centre::{SEGMENT_A, Wishes},
    machine::Client,
};

use crate::desk::Desk;

#[test]
fn a_page_outlives_a_restart_of_region() -> anyhow::Result<()> {
    let Some(mut desk) = Desk::open("out", Wishes::default())? else { return Ok(()) };
    desk.sign_in()?;
    desk.go("/leases")?;
    desk.remember_the_page()?;
    desk.centre.region.kill()?;
    desk.browser.sees(".live", "disconnected since")?;
    // The rack serves on, and region learns of it later.
    let machine = desk.centre.machine("a1", SEGMENT_A)?;
    let (_running, told) = machine.lease(Client::Udhcpc, &[])?;
    desk.centre.region.start()?;
    desk.browser.sees("tbody tr", &told.address()?.to_string())?;
    desk.browser.sees(".live", "live")?;
    assert!(desk.is_the_same_page()?, "the page was loaded again");
    Ok(())
}
