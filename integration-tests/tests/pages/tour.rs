//! Every page, light and dark, on a desk and on a phone: nothing that axe-core calls serious, no word of the console, nobody else asked.

use anyhow::Context;
use hostler_integration_tests::{
    browser::{SOON, Width},
    lab::{
        centre::{SEGMENT_A, Wishes},
        machine::Client,
        until,
    },
};
use serde_json::Value;
use std::collections::BTreeSet;

use crate::desk::Desk;

const AXE: &str = include_str!("../../axe/axe.min.js");

/// The rules of WCAG 2.2 AA and what goes beyond them; the answer has what the rules were broken by.
const CHECK: &str = "const done = arguments[arguments.length - 1];
    axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
      .then(found => done(found.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3).join(' | ')])),
            error => done([['critical', 'axe', String(error)]]));";

/// Name of its picture, and where it is.
const PAGES: &[(&str, &str)] = &[
    ("overview", "/"),
    ("events", "/events"),
    ("events-none", "/events?filter=key%3Dnothing"),
    ("events-wrong", "/events?filter=nonsense%3D1"),
    ("fabrics", "/fabrics"),
    ("fabric", "/fabrics/dc1"),
    ("vlans", "/vlans"),
    ("vlan", "/vlans/dc1/10"),
    ("subnets", "/subnets"),
    ("subnet-cells", "/subnets/10.79.0.0/24"),
    ("subnet-address", "/subnets/10.79.0.0/24?a=10.79.0.7"),
    ("subnet-blocks", "/subnets/10.77.0.0/16"),
    ("subnet-ranges", "/subnets/10.77.0.0/16?tab=ranges"),
    ("subnet-reservations", "/subnets/10.77.0.0/16?tab=reservations"),
    ("subnet-options", "/subnets/10.77.0.0/16?tab=options"),
    ("subnet-changes", "/subnets/10.77.0.0/16?tab=changes"),
    ("subnet-new", "/subnets?do=create"),
    ("subnet-edit", "/subnets/10.77.0.0/16?do=update"),
    ("subnet-delete", "/subnets/10.79.0.0/24?do=delete"),
    ("ranges", "/ranges"),
    ("reservations", "/reservations"),
    ("reservation", "/reservations/10.79.0.7"),
    ("leases", "/leases"),
    ("leases-none", "/leases?filter=mac%3D02:00:00:00:00:01"),
    ("lease-release", "/leases/LEASE?do=release"),
    ("lease", "/leases/LEASE"),
    ("vrfs", "/vrfs"),
    ("machines", "/machines"),
    ("machine", "/machines/kestrel"),
    ("machine-new", "/machines?do=create"),
    ("interfaces", "/interfaces"),
    ("boot-profiles", "/boot-profiles"),
    ("boot-files", "/boot-files"),
    ("boot-defaults", "/boot-defaults"),
    ("racks", "/racks"),
    ("rack", "/racks/rack1"),
    ("rack-away", "/racks/rack2"),
    ("rack-revoke", "/racks/rack2?do=revoke"),
    ("rack-tokens", "/rack-tokens"),
    ("rack-token-new", "/rack-tokens?do=create"),
    ("users", "/users"),
    ("user", "/users/mira"),
    ("user-password", "/users/mira?do=set-password"),
    ("tokens", "/tokens"),
    ("audit", "/audit"),
    ("system", "/system"),
    ("account", "/account"),
    ("find", "/find?q=dc1"),
    ("find-none", "/find?q=nothing-by-that-name"),
    ("sign-in", "/sign-in"),
];

#[test]
fn every_page_is_for_everybody_and_asks_nobody_else() -> anyhow::Result<()> {
    let Some(mut desk) = Desk::open("tour", Wishes::default())? else { return Ok(()) };
    let lease = desk.furnish()?;
    desk.sign_in()?;
    desk.browser.complaints()?;
    let mut wrong = Vec::new();
    for theme in ["light", "dark"] {
        desk.browser.set_cookie("theme", theme)?;
        for width in [Width::Desk, Width::Phone] {
            desk.browser.resize(width)?;
            for (name, path) in PAGES {
                let picture = format!("{theme}-{}/{name}", width.pixels().0);
                let path = path.replace("LEASE", &lease);
                desk.go(&path)?;
                let found = desk.look(&picture).with_context(|| picture.clone())?;
                wrong.extend(found.into_iter().map(|found| format!("{picture}: {found}")));
            }
        }
    }
    let asked = desk.browser.asked()?;
    let ours = BTreeSet::from([desk.centre.region.server.clone()]);
    let others: Vec<_> = asked
        .difference(&ours)
        .filter(|origin| !origin.starts_with("data:") && !origin.starts_with("chrome:"))
        .collect();
    assert!(others.is_empty(), "asked for something: {others:?}");
    assert!(wrong.is_empty(), "{} faults\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

impl Desk {
    /// Something of everything that pages show; gives the key of a lease.
    fn furnish(&mut self) -> anyhow::Result<String> {
        let region = &self.centre.region;
        for words in [
            "vlan create --fabric dc1 --vid 30 --note printers",
            "subnet create --vrf default --vlan dc1/30 --cidr 10.79.0.0/24 --gateway 10.79.0.1",
            "range create --subnet 10.79.0.0/24 --first 10.79.0.100 --last 10.79.0.199 --dynamic=true",
            "reservation create --subnet 10.79.0.0/24 --address 10.79.0.7 --mac 02:00:5e:00:00:07 --host-name printer7",
            "rack token create --name rack3",
            "token create --name ci --role viewer",
            "machine create --name kestrel --mac 02:00:5e:00:00:11",
            "subnet update 10.77.0.0/16 --domain dc1.example.com --message=names",
        ] {
            region.hostler(&words.split(' ').collect::<Vec<_>>())?;
        }
        let machine = self.centre.machine("a1", SEGMENT_A)?;
        let (_running, told) = machine.lease(Client::Udhcpc, &["-x", "hostname:kestrel"])?;
        let lease = told.address()?.to_string();
        self.centre.leases_at_region(1, SOON)?;
        self.centre.racks[1].kill()?;
        until(SOON, "region notices", || {
            let rack = self.centre.region.json(&["rack", "get", "rack2"])?;
            Ok((rack["connected"] != true).then_some(()))
        })?;
        Ok(lease)
    }

    /// What is wrong with the page in front.
    fn look(&self, picture: &str) -> anyhow::Result<Vec<String>> {
        let page = &self.browser;
        page.picture(picture)?;
        page.script(&format!("{AXE}; return typeof axe"), &[])?;
        let found = page.script_later(CHECK)?;
        let found = found.as_array().context("a list of violations")?;
        let serious =
            |violation: &&Value| matches!(violation[0].as_str(), Some("serious" | "critical"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut wrong: Vec<String> = found
            .iter()
            .filter(serious)
            .map(|found| format!("{}: {}: {}", text(&found[0]), text(&found[1]), text(&found[2])))
            .collect();
        let wide = "const d = document.documentElement; return d.scrollWidth - d.clientWidth";
        if page.script(wide, &[])?.as_i64().is_some_and(|more| more > 0) {
            wrong.push("scrolls sideways".into());
        }
        wrong.extend(page.complaints()?);
        Ok(wrong)
    }
}
