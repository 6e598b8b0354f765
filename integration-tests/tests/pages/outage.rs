//! A page that stays open while region is away says so, and shows afterwards what it missed.

use anyhow::Context;
use hostler_integration_tests::{
    browser::SOON,
    lab::{
        centre::{SEGMENT_A, Wishes},
        machine::Client,
        swarm::Swarm,
        until,
    },
};
use std::time::Duration;

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

/// Nobody tells a browser that a cable was pulled. Then its line is slow enough for a person to see it catch up, and "live" is said with the rows there.
#[test]
fn a_page_that_missed_much_says_that_it_catches_up() -> anyhow::Result<()> {
    const MISSED: u16 = 300;
    let Some(desk) = Desk::open("cat", Wishes::default())? else { return Ok(()) };
    desk.sign_in()?;
    desk.go("/leases")?;
    desk.remember_the_page()?;
    desk.cable("down")?;
    desk.browser.sees_within(".live", "disconnected since", 2 * SOON)?;
    let mut hall = Swarm::new(&desk.centre.node("hall", SEGMENT_A)?, 1, MISSED)?;
    hall.bind(3 * SOON)?;
    desk.centre.leases_at_region(MISSED.into(), SOON)?;
    desk.browser.slow_down(Duration::from_secs(2))?;
    desk.cable("up")?;
    desk.browser.sees_within(".live", "catching up since", 3 * SOON)?;
    let source = "return [document.querySelector('.live').textContent, document.querySelectorAll('main tbody [data-row]').length]";
    let rows = until(SOON, "live again", || {
        let seen = desk.browser.script(source, &[])?;
        Ok((seen[0] == "live").then(|| seen[1].as_u64()))
    })?;
    assert!(rows.context("a count")? >= 50, "live with {rows:?} rows of {MISSED}");
    assert!(desk.is_the_same_page()?, "the page was loaded again");
    Ok(())
}
