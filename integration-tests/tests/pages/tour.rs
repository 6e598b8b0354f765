//! Every page, light and dark, on a desk and on a phone: nothing that axe-core calls serious, no word of the console, nobody else asked.

use anyhow::Context;
use hostler_integration_tests::{
    browser::{SOON, Width},
    lab::{
        Cable,
        centre::{SEGMENT_A, Wishes},
        machine::Client,
        swarm::Swarm,
        until,
    },
};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

use crate::desk::Desk;

const AXE: &str = include_str!("../../axe/axe.min.js");

/// The rules of WCAG 2.2 AA and what goes beyond them; the answer has what the rules were broken by.
const CHECK: &str = "const done = arguments[arguments.length - 1];
    axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
      .then(found => done(found.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html.slice(0, 160)).slice(0, 3).join(' | ')])),
            error => done([['critical', 'axe', String(error)]]));";

/// Name of its picture, and where it is: a line for each page. A test of region holds them against its router, so that none is forgotten.
const PAGES: &str = include_str!("tour.txt");
const SITE: &str = include_str!("site.yaml");

/// How one comes to a page that has no address of its own: the answer to a form, or what takes its time.
type Way = fn(&Desk) -> anyhow::Result<()>;

const ANSWERS: &[(&str, Way)] = &[
    // As the front page of the project shows it.
    ("overview-stalled", |desk| {
        desk.go("/")?;
        desk.browser.sees_within(".exc", "stalled at discover", 5 * SOON).map(drop)
    }),
    ("profile-preview", |desk| {
        desk.go("/boot-profiles/shell?do=update")?;
        desk.browser.fill("#f-note", "for hands on")?;
        desk.browser.press("Preview change")?;
        desk.browser.sees("#part-effects", "2 racks").map(drop)
    }),
    ("subnet-preview", |desk| {
        desk.go("/subnets/10.77.0.0/24?do=update")?;
        desk.browser.fill("#f-dns_servers", "10.77.0.53, 10.77.0.55")?;
        desk.browser.fill("#f-message", "dns2 moves on Friday")?;
        desk.browser.press("Preview change")?;
        desk.browser.sees(".diff .add", "10.77.0.55").map(drop)
    }),
    ("subnet-refused", |desk| {
        desk.go("/subnets/10.77.0.0/24?do=update")?;
        desk.browser.fill("#f-gateway", "10.99.0.1")?;
        desk.browser.fill("#f-dns_servers", "10.77.0.300")?;
        desk.browser.press("Preview change")?;
        desk.browser.sees("[role=alert]", "10.77.0.300").map(drop)
    }),
    ("apply-plan", |desk| {
        desk.plan(&SITE.replace("note: provision-a", "note: provision-a, rows A to L"))?;
        desk.browser.sees(".diff .add", "rows A to L").map(drop)
    }),
    ("apply-refused", |desk| {
        desk.plan("kind: vlan\nfabric: osl1-leaf\nvid: 9000\n---\nkind: cat\n")?;
        desk.browser.sees("[role=alert]", "Line 5").map(drop)
    }),
    ("leases-ticked", |desk| {
        desk.go("/leases?filter=host_name~wren")?;
        desk.browser.click_on("tbody tr:nth-child(2) [name=row]")?;
        desk.browser.click_on("tbody tr:nth-child(3) [name=row]")
    }),
];

#[test]
fn every_page_is_for_everybody_and_asks_nobody_else() -> anyhow::Result<()> {
    let wishes = Wishes { undescribed: true, ..Wishes::default() };
    let Some(mut desk) = Desk::open("tour", wishes)? else { return Ok(()) };
    let there = desk.furnish()?;
    desk.sign_in()?;
    desk.browser.complaints()?;
    let mut wrong = Vec::new();
    for theme in ["light", "dark"] {
        desk.browser.set_cookie("theme", theme)?;
        for width in [Width::Desk, Width::Phone] {
            desk.browser.resize(width)?;
            let folder = format!("{theme}-{}", width.pixels().0);
            wrong.extend(desk.walk(&folder, &there)?);
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

/// Keys that are known once they are there.
struct There {
    lease: String,
    boot: String,
    token: String,
}

impl There {
    fn path(&self, written: &str) -> String {
        let keys = [("LEASE", &self.lease), ("BOOT", &self.boot), ("TOKEN", &self.token)];
        keys.iter().fold(written.to_owned(), |path, (word, key)| path.replace(word, key))
    }
}

impl Desk {
    /// Something of everything that pages show.
    fn furnish(&mut self) -> anyhow::Result<There> {
        let site = self.centre.lab.folder().join("site.yaml");
        fs::write(&site, SITE)?;
        let (site, region) = (site.display().to_string(), &self.centre.region);
        let kernel = self.centre.lab.folder().join("vmlinuz");
        fs::write(&kernel, vec![7; 300_000])?;
        let push = format!("boot-file push {} --as installer/vmlinuz", kernel.display());
        for words in [
            format!("apply -f {site} --message=site --wait"),
            push,
            "rack token create --name rack3".into(),
            "token create --name ci --role viewer".into(),
            "user create --name otto --role viewer".into(),
            "boot-profile create --name shell --target local-disk".into(),
            "boot-default create --boot-profile shell".into(),
            "subnet update 10.77.0.0/24 --lease-seconds 7200 --message=longer --wait".into(),
        ] {
            region.hostler(&words.split(' ').collect::<Vec<_>>())?;
        }
        for (at, name) in ["kestrel-17", "plover-09", "wren-02", "heron-44"].iter().enumerate() {
            let mac = format!("b8:ce:f6:2a:17:{at:02x}");
            let words = ["machine", "create", "--name", name, "--mac", &mac];
            let boots = ["--architecture", "uefi-x64", "--boot-profile", "shell"];
            region.hostler(&[&words[..], &boots].concat())?;
        }
        self.populate()?;
        self.centre.racks[1].kill()?;
        until(SOON, "region notices", || {
            let rack = self.centre.region.json(&["rack", "get", "rack2"])?;
            Ok((rack["connected"] != true).then_some(()))
        })?;
        Ok(There {
            lease: self.first(&["lease"])?,
            boot: self.first(&["boot-attempt"])?,
            token: self.first(&["rack", "token"])?,
        })
    }

    fn first(&self, noun: &[&str]) -> anyhow::Result<String> {
        let found = self.centre.region.json(&[noun, &["list"]].concat())?;
        let key = found[0]["meta"]["key"].as_str();
        Ok(key.with_context(|| format!("no {}", noun.join(" ")))?.to_owned())
    }

    /// Machines with leases, and one that has an address which nobody gave it.
    fn populate(&self) -> anyhow::Result<()> {
        const CLIENTS: u16 = 96;
        /// The first that is free after them.
        const STRANGERS: &str = "10.77.0.160/16";
        let stranger = self.centre.lab.node("ghost")?;
        let addresses = &[STRANGERS];
        let cable = Cable { on: &self.centre.switches, switch: SEGMENT_A, addresses };
        self.centre.lab.plug(&stranger, "eth0", cable)?;
        let node = self.centre.node("hall1", SEGMENT_A)?;
        let mut hall = Swarm::new(&node, 1, CLIENTS)?;
        hall.bind(3 * SOON)?;
        let careful = self.centre.machine("careful", SEGMENT_A)?;
        let running = careful.start(Client::Udhcpc, &["-a"])?;
        until(SOON, "a client declines what the stranger has", || {
            Ok(self.centre.region.list("lease", "state=declined")?.pop())
        })?;
        drop(running);
        // One boots from the network, and comes as far as its first packets.
        let booting = self.centre.machine("kestrel", SEGMENT_A)?;
        let own = ["address", "b8:ce:f6:2a:17:00"];
        booting.node.run(&[&["ip", "link", "set", "eth0"][..], &own].concat())?;
        let firmware = ["-V", "PXEClient:Arch:00007:UNDI:003016", "-x", "0x5d:0007"];
        let (_running, _) = booting.lease(Client::Udhcpc, &firmware)?;
        self.centre.leases_at_region(usize::from(CLIENTS) + 1, SOON)
    }

    /// What is wrong with the pages that are looked at so.
    fn walk(&self, folder: &str, there: &There) -> anyhow::Result<Vec<String>> {
        let mut wrong = Vec::new();
        let mut look = |name: &str| -> anyhow::Result<()> {
            let picture = format!("{folder}/{name}");
            let found = self.look(&picture).with_context(|| picture.clone())?;
            wrong.extend(found.into_iter().map(|found| format!("{picture}: {found}")));
            Ok(())
        };
        for line in PAGES.lines() {
            let (name, path) = line.split_once(' ').context("NAME PATH")?;
            self.go(&there.path(path))?;
            look(name)?;
        }
        for (name, come) in ANSWERS {
            come(self).with_context(|| format!("{folder}/{name}"))?;
            look(name)?;
        }
        Ok(wrong)
    }

    fn plan(&self, text: &str) -> anyhow::Result<()> {
        self.go("/apply")?;
        let source = "document.querySelector('#f-text').value = arguments[0]";
        self.browser.script(source, &[text])?;
        self.browser.press("Preview what it does")
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
        // An objection is told so, to programs too.
        let refused = |said: &String| said.ends_with("responded with a status of 422 ()");
        wrong.extend(page.complaints()?.into_iter().filter(|said| !refused(said)));
        Ok(wrong)
    }
}
