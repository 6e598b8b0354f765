//! An operator's desk: the data centre of the stories, and a browser in its management network.

use hostler_integration_tests::{
    browser::{self, Browser, SOON},
    lab::{
        Cable, Lab, Node,
        centre::{Centre, MANAGEMENT, Wishes},
        run, until,
    },
};
use std::fs::{self, File};

pub(crate) const NAME: &str = "mira";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Between the desk and the management network.
const CABLE: &str = "eth0";

pub(crate) struct Desk {
    // Goes before the namespaces that it runs in.
    pub(crate) browser: Browser,
    node: Node,
    pub(crate) centre: Centre,
}

impl Desk {
    /// None, said loudly, without the right to make namespaces.
    pub(crate) fn open(story: &str, wishes: Wishes<'_>) -> anyhow::Result<Option<Self>> {
        let Some(lab) = Lab::open(story)? else { return Ok(None) };
        let centre = Centre::build(lab, wishes)?;
        centre.region.hostler(&["user", "create", "--name", NAME, "--role", "admin"])?;
        let password = centre.lab.folder().join("password");
        fs::write(&password, PASSWORD)?;
        let words = ["user", "set-password", NAME, "--password-stdin"];
        run(centre.region.cli(&words)?.stdin(File::open(password)?))?;
        let node = centre.lab.node("desk")?;
        // Whose link-local address would come a second later, which Chromium takes for another network, and drops what it was loading.
        node.run(&["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"])?;
        node.run(&["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])?;
        let addresses = &["198.18.0.100/24"];
        let cable = Cable { on: &centre.switches, switch: MANAGEMENT, addresses };
        centre.lab.plug(&node, CABLE, cable)?;
        let browser = Browser::open(&centre.lab, &node)?;
        Ok(Some(Self { browser, node, centre }))
    }

    /// The desk's cable is pulled, or plugged in again.
    pub(crate) fn cable(&self, state: &str) -> anyhow::Result<()> {
        self.node.run(&["ip", "link", "set", CABLE, state]).map(drop)
    }

    pub(crate) fn sign_in(&self) -> anyhow::Result<()> {
        browser::sign_in(&self.browser, &self.centre.region.server, NAME, PASSWORD)
    }

    pub(crate) fn go(&self, path: &str) -> anyhow::Result<()> {
        self.browser.go(&format!("{}{path}", self.centre.region.server))
    }

    /// Fills in the form that makes one of these, and sends it.
    pub(crate) fn make(
        &self,
        plural: &str,
        button: &str,
        fields: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        self.go(&format!("/{plural}"))?;
        self.browser.press(&format!("New {button}"))?;
        for (name, value) in fields {
            let field = format!("#f-{name}");
            match *value {
                "ticked" => self.browser.click_on(&field)?,
                value => self.browser.fill(&field, value)?,
            }
        }
        self.browser.press(&format!("Create {button}"))
    }

    /// The page in front is not loaded again from here on, or `is_the_same_page` notices.
    pub(crate) fn remember_the_page(&self) -> anyhow::Result<()> {
        self.browser.sees(".live", "live")?;
        self.browser.script("window.remembered = true", &[]).map(drop)
    }

    pub(crate) fn is_the_same_page(&self) -> anyhow::Result<bool> {
        Ok(self.browser.script("return window.remembered === true", &[])? == true)
    }

    /// Waits until as many elements of the page as this fit the selector.
    pub(crate) fn counts(&self, selector: &str, count: usize) -> anyhow::Result<()> {
        let source = "return document.querySelectorAll(arguments[0]).length";
        until(SOON, &format!("{count} of {selector}"), || {
            Ok((self.browser.script(source, &[selector])? == count).then_some(()))
        })
    }
}
