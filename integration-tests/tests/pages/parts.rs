//! What all lists share, used by hand: columns, order, zone, pause, the word for who does not see, rows that are ticked.

use anyhow::Context;
use hostler_integration_tests::lab::{
    centre::{SEGMENT_A, Wishes},
    machine::Client,
    swarm::Swarm,
};
use std::time::Duration;

use crate::desk::Desk;

#[test]
fn lists_are_read_and_tended() -> anyhow::Result<()> {
    let Some(desk) = Desk::open("prt", Wishes::default())? else { return Ok(()) };
    desk.sign_in()?;
    let node = desk.centre.node("hall", SEGMENT_A)?;
    let mut hall = Swarm::new(&node, 1, 3)?;
    hall.bind(Duration::from_secs(30))?;
    columns_and_order_are_the_addresss(&desk)?;
    times_are_the_zones(&desk)?;
    rows_wait_and_are_told_of(&desk)?;
    ticked_rows_end(&desk)
}

fn columns_and_order_are_the_addresss(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go("/leases")?;
    page.sees("tbody tr", "wren-101")?;
    page.click_on("form.filters details summary")?;
    page.click_on("[name=columns][value=rack]")?;
    page.press("Show these")?;
    page.sees("thead th", "Rack")?;
    page.press("Host name")?;
    page.sees("th[aria-sort=ascending]", "Host name")?;
    let address = page.address()?;
    for part in ["columns=rack", "columns=mac", "sort=host_name"] {
        anyhow::ensure!(address.contains(part), "{address} says nothing of {part}");
    }
    let names = "return [...document.querySelectorAll('tbody tr')].map(row => row.textContent.match(/[a-z]+-101/)[0]).join()";
    assert_eq!(page.script(names, &[])?, "kestrel-101,plover-101,wren-101");
    page.press("Host name")?;
    page.sees("th[aria-sort=descending]", "Host name")?;
    assert_eq!(page.script(names, &[])?, "wren-101,plover-101,kestrel-101");
    // Both files have what the page is filtered to.
    desk.go("/leases?filter=host_name%3Dplover-101")?;
    let files = "const done = arguments[arguments.length - 1];
        Promise.all([...document.querySelectorAll('form.filters a.btn')].map(a => fetch(a.href).then(answer => answer.text())))
          .then(texts => done(texts.map(text => (text.match(/[a-z]+-101/g) || []).join()).join(' ')))";
    assert_eq!(page.script_later(files)?, "plover-101 plover-101");
    Ok(())
}

fn times_are_the_zones(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go("/account")?;
    page.fill("#z", "Asia/Kolkata")?;
    page.press("Use this zone")?;
    page.sees(".side footer", "Asia/Kolkata")?;
    desk.go("/events")?;
    // Half an hour beside every whole one.
    let minutes = "const t = document.querySelector('tbody time');
        return (Number(t.textContent.match(/:(\\d\\d):/)[1]) - new Date(t.dateTime).getUTCMinutes() + 60) % 60";
    assert_eq!(page.script(minutes, &[])?, 30);
    let title = page.script("return document.querySelector('tbody time').title", &[])?;
    assert!(title.as_str().context("a title")?.ends_with('Z'), "exact on hover: {title}");
    desk.go("/account")?;
    page.fill("#z", "UTC")?;
    page.press("Use this zone")?;
    page.sees(".side footer", "UTC").map(drop)
}

fn rows_wait_and_are_told_of(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go("/leases")?;
    desk.remember_the_page()?;
    page.types(".")?;
    page.sees(".live", "paused since")?;
    let machine = desk.centre.machine("a1", SEGMENT_A)?;
    let (_running, told) = machine.lease(Client::Udhcpc, &["-x", "hostname:heron"])?;
    desk.centre.leases_at_region(4, hostler_integration_tests::browser::SOON)?;
    let rows = page.script("return document.querySelector('tbody').textContent", &[])?;
    assert!(!rows.as_str().context("text")?.contains("heron"), "a paused page goes on");
    page.types(".")?;
    page.sees("tbody tr", &told.address()?.to_string())?;
    page.sees("[data-news]", "1 new in Leases")?;
    assert!(desk.is_the_same_page()?, "the page was loaded again");
    Ok(())
}

fn ticked_rows_end(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    let shown = "return getComputedStyle(document.querySelector('.bulk')).display";
    desk.go("/leases?filter=host_name~101&sort=host_name")?;
    assert_eq!(page.script(shown, &[])?, "none", "nothing is ticked yet");
    page.click_on("tbody tr:nth-child(1) [name=row]")?;
    page.click_on("tbody tr:nth-child(2) [name=row]")?;
    assert_eq!(page.script(shown, &[])?, "flex");
    page.press("Release…")?;
    page.sees("h1", "Release 2 leases")?;
    page.sees("tbody", "plover-101")?;
    page.fill("#cf", "2 leases")?;
    page.fill("#msg", "the hall is moved")?;
    page.click_on("#go")?;
    // Back where one was, and told of by the rack.
    page.sees("h1", "Leases")?;
    assert!(page.address()?.ends_with("?filter=host_name~101&sort=host_name"));
    page.sees("tbody tr:nth-child(1)", "released")?;
    page.sees("tbody tr:nth-child(2)", "released")?;
    page.sees("tbody tr:nth-child(3)", "bound")?;
    desk.go("/audit?kind=lease")?;
    page.sees("tbody", "the hall is moved").map(drop)
}
