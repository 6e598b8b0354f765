//! From the first sign-in to a network in use, and what may go wrong on the way.

use anyhow::Context;
use hostler_integration_tests::lab::{
    centre::{SEGMENT_A, Wishes},
    machine::Client,
    process::Process,
};
use nix::sys::signal::Signal;

use crate::desk::Desk;

const SUBNET: &str = "/subnets/10.77.0.0/24";
const OTHER_DNS: &str = "10.77.0.54";

#[test]
fn an_operator_makes_a_network_and_watches_it_being_used() -> anyhow::Result<()> {
    let wishes = Wishes { undescribed: true, ..Wishes::default() };
    let Some(mut desk) = Desk::open("opr", wishes)? else { return Ok(()) };
    desk.sign_in()?;
    desk.browser.sees("h1", "Nothing needs a person")?;
    makes_a_network(&desk)?;
    let running = sees_a_lease_come(&desk)?;
    changes_dns_servers(&mut desk)?;
    is_refused(&desk)?;
    meets_a_conflict(&desk)?;
    releases_the_lease(&desk)?;
    drop(running);
    revokes_a_rack(&desk)
}

fn makes_a_network(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.make("fabrics", "fabric", &[("name", "dc1"), ("note", "the first")])?;
    page.sees("h1", "dc1")?;
    let racks = [("primary_rack", "rack1"), ("secondary_rack", "rack2")];
    desk.make("vlans", "VLAN", &[&[("fabric", "dc1"), ("vid", "10")][..], &racks].concat())?;
    page.sees("h1", "dc1/10")?;
    let told = [("gateway", "10.77.0.1"), ("dns_servers", "10.77.0.53")];
    let subnet = [("vrf", "default"), ("vlan", "dc1/10"), ("cidr", "10.77.0.0/24")];
    desk.make("subnets", "subnet", &[&subnet[..], &told].concat())?;
    page.sees("h1", "10.77.0.0/24")?;
    let ends = [("first", "10.77.0.100"), ("last", "10.77.0.199"), ("dynamic", "ticked")];
    desk.make("ranges", "range", &[&[("subnet", "10.77.0.0/24")][..], &ends].concat())?;
    page.sees("h1", "10.77.0.100-10.77.0.199")?;
    desk.go(SUBNET)?;
    page.sees(".badge", "on 2 of 2 racks").map(drop)
}

/// Row, cell and count come by themselves.
fn sees_a_lease_come(desk: &Desk) -> anyhow::Result<Process> {
    let page = &desk.browser;
    page.sees("#part-leases", "No rack has told of a lease here")?;
    desk.counts(".map a.l", 0)?;
    desk.remember_the_page()?;
    let machine = desk.centre.machine("a1", SEGMENT_A)?;
    let (running, told) = machine.lease(Client::Udhcpc, &["-x", "hostname:kestrel"])?;
    let address = told.address()?.to_string();
    page.sees("#part-leases tbody tr", &address)?;
    page.sees("#part-leases tbody tr", "kestrel")?;
    desk.counts(&format!(".map a.l[href='?a={address}']"), 1)?;
    page.sees("#part-room", "1 of 100")?;
    assert!(desk.is_the_same_page()?, "the page was loaded again");
    Ok(running)
}

/// The badge counts the racks as they take it over, and one that hangs is waited for.
fn changes_dns_servers(desk: &mut Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    page.press("Edit")?;
    page.fill("#f-dns_servers", OTHER_DNS)?;
    page.fill("#f-message", "the old one goes on Friday")?;
    page.press("Preview change")?;
    page.sees(".diff .del", "10.77.0.53")?;
    page.sees(".diff .add", OTHER_DNS)?;
    page.sees("main", "Nothing is saved yet")?;
    page.sees("#part-effects", "2 racks")?;
    desk.centre.racks[0].process()?.signal(Signal::SIGSTOP)?;
    page.press("Apply change")?;
    page.sees(".badge", "pending: generation")?;
    page.sees(".badge", "on 1 of 2 racks")?;
    desk.remember_the_page()?;
    desk.centre.racks[0].process()?.signal(Signal::SIGCONT)?;
    page.sees(".badge", "on 2 of 2 racks")?;
    assert!(desk.is_the_same_page()?, "the page was loaded again");
    let machine = desk.centre.machine("a2", SEGMENT_A)?;
    let (running, told) = machine.lease(Client::Udhcpc, &[])?;
    assert_eq!(told.dns(), [OTHER_DNS]);
    machine.release(Client::Udhcpc, running)?;
    desk.go(&format!("{SUBNET}?tab=changes"))?;
    page.sees(".tl", "the old one goes on Friday").map(drop)
}

/// Objections stand beside their fields, and nothing that was typed is lost.
fn is_refused(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go(&format!("{SUBNET}?do=update"))?;
    page.fill("#f-gateway", "10.99.0.1")?;
    page.fill("#f-dns_servers", "10.77.0.300")?;
    page.press("Preview change")?;
    page.sees("[role=alert]", "10.77.0.300")?;
    page.sees("#h-dns_servers", "10.77.0.300")?;
    let kept = page.script("return document.querySelector('#f-gateway').value", &[])?;
    assert_eq!(kept, "10.99.0.1");
    page.fill("#f-dns_servers", OTHER_DNS)?;
    page.press("Preview change")?;
    page.sees("#h-gateway", "must be inside")?;
    Ok(())
}

/// Somebody else was faster.
fn meets_a_conflict(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go(&format!("{SUBNET}?do=update"))?;
    page.fill("#f-domain", "dc1.example.com")?;
    let words = ["subnet", "update", "10.77.0.0/24", "--note", "quicker"];
    desk.centre.region.hostler(&words)?;
    page.press("Preview change")?;
    page.sees("[role=alert]", "while you were typing")?;
    page.sees("[role=alert] .add", "quicker")?;
    page.press("Preview change")?;
    page.sees(".diff .add", "dc1.example.com")?;
    page.press("Apply change")?;
    page.sees("main", "quicker")?;
    page.sees(".kv", "dc1.example.com").map(drop)
}

fn releases_the_lease(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go("/leases?filter=host_name%3Dkestrel")?;
    page.click_on("tbody th a")?;
    let key = page.script("return document.querySelector('h1').textContent", &[])?;
    let key = key.as_str().context("a key")?.trim().to_owned();
    page.press("Release")?;
    page.fill("#cf", "not it")?;
    page.click_on("#go")?;
    page.sees("[data-toasts]", &format!("Type {key} first"))?;
    page.fill("#cf", &key)?;
    page.click_on("#go")?;
    page.sees(".kv", "released").map(drop)
}

fn revokes_a_rack(desk: &Desk) -> anyhow::Result<()> {
    let page = &desk.browser;
    desk.go("/racks")?;
    page.press("rack2")?;
    page.press("Revoke")?;
    page.sees("main", "Its stream ends at once")?;
    page.fill("#cf", "rack2")?;
    page.click_on("#go")?;
    page.sees("main", "revoked")?;
    desk.go("/racks")?;
    page.sees("tbody tr", "revoked").map(drop)
}
