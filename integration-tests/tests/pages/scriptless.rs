//! A browser that runs no scripts: everything but liveness is there.

use anyhow::Context;
use hostler_integration_tests::{
    browser::SOON,
    lab::{
        centre::{SEGMENT_A, Wishes},
        machine::Client,
        until,
    },
};

use crate::desk::Desk;

const SUBNET: &str = "/subnets/10.77.0.0/16";

#[test]
fn a_browser_without_scripts_reads_and_writes() -> anyhow::Result<()> {
    let Some(desk) = Desk::open("raw", Wishes::default())? else { return Ok(()) };
    let page = &desk.browser;
    page.run_no_scripts()?;
    desk.sign_in()?;
    desk.counts("[data-theme-set][aria-pressed=true]", 1)?;
    page.click_on("[name=theme][value=dark]")?;
    page.sees(":root[data-theme=dark] h1", "needs a person")?;
    changes_a_subnet(&desk)?;
    applies_a_file(&desk)?;
    releases_what_is_ticked(&desk)
}

fn changes_a_subnet(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go(SUBNET)?;
    page.press("Edit")?;
    page.fill("#f-domain", "dc1.example.com")?;
    page.press("Preview change")?;
    page.sees(".diff .add", "dc1.example.com")?;
    page.press("Apply change")?;
    page.sees(".kv", "dc1.example.com").map(drop)
}

fn applies_a_file(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    let file = desk.centre.lab.folder().join("office.yaml");
    std::fs::write(&file, "kind: fabric\nname: office\n---\nkind: vlan\nfabric: office\nvid: 7\n")?;
    desk.go("/apply")?;
    page.choose("#f-file", &file)?;
    page.press("Preview what it does")?;
    page.sees("main", "2 to create, 0 to change")?;
    page.press("Apply 2 changes")?;
    page.sees("h1", "applied")?;
    page.press("office/7")?;
    page.sees("h1", "office/7").map(drop)
}

fn releases_what_is_ticked(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    let machine = desk.centre.machine("a1", SEGMENT_A)?;
    let (_running, told) = machine.lease(Client::Udhcpc, &["-x", "hostname:kestrel"])?;
    desk.centre.leases_at_region(1, SOON)?;
    desk.go("/leases")?;
    page.sees("tbody tr", &told.address()?.to_string())?;
    // A script would have put a box there that ticks all.
    desk.counts("th.tick input", 0)?;
    page.click_on("[name=row]")?;
    page.press("Release…")?;
    page.fill("#cf", "1 lease")?;
    page.click_on("#go")?;
    page.sees("h1", "Leases")?;
    let key = told.address()?.to_string();
    until(SOON, "the rack tells of the end", || {
        let lease = desk.centre.region.json(&["lease", "get", &key])?;
        let state = lease["state"].as_str().context("a state")?;
        Ok((state == "released").then_some(()))
    })?;
    desk.go(&format!("/leases/{key}"))?;
    page.sees(".kv", "released").map(drop)
}
