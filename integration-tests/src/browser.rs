//! A person at a browser: Chromium in a node of the lab, driven by WebDriver, which is JSON over HTTP.

mod wire;

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use crate::lab::{Lab, Node, Process, until};
use wire::Driver;

/// Until a page shows what it must, on a computer that does other things too.
pub const SOON: Duration = Duration::from_secs(20);
/// Chromium's own start.
const START: Duration = Duration::from_secs(60);
const PORT: u16 = 9515;

pub struct Browser {
    driver: Driver,
    session: String,
    pictures: std::path::PathBuf,
    // Goes last.
    _process: Process,
}

/// Keys that have no letter.
pub mod key {
    pub const TAB: &str = "\u{E004}";
    pub const ENTER: &str = "\u{E007}";
    pub const RIGHT: &str = "\u{E014}";
    pub const DOWN: &str = "\u{E015}";
    pub const CONTROL: &str = "\u{E009}";
}

/// A window as wide as this; its height is what the width usually comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Desk,
    Phone,
}

impl Width {
    pub fn pixels(self) -> (u32, u32) {
        match self {
            Self::Desk => (1440, 900),
            Self::Phone => (390, 844),
        }
    }
}

impl Browser {
    /// Chromium as root has no sandbox of its own; it looks at our pages alone, from a namespace that leads nowhere else.
    pub fn open(lab: &Lab, node: &Node) -> anyhow::Result<Self> {
        let home = lab.folder().join("browser");
        fs::create_dir_all(&home)?;
        let mut command = node.command("chromedriver");
        command.arg(format!("--port={PORT}")).env("HOME", &home).env("TMPDIR", &home);
        let mut process = Process::start("chromedriver", lab.folder(), &mut command)?;
        process.says("was started successfully", START)?;
        let driver = Driver::new(node, PORT);
        let profile = format!("--user-data-dir={}", home.join("profile").display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            // Region's certificate is its own.
            "acceptInsecureCerts": true,
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }}});
        let made = driver.post("/session", &wanted)?;
        let session = made["sessionId"].as_str().context("a session's id")?.to_owned();
        let browser =
            Self { driver, session, pictures: lab.folder().to_owned(), _process: process };
        browser.resize(Width::Desk)?;
        Ok(browser)
    }

    pub fn go(&self, address: &str) -> anyhow::Result<()> {
        self.post("/url", &json!({"url": address})).map(drop)
    }

    pub fn address(&self) -> anyhow::Result<String> {
        let address = self.driver.get(&self.path("/url"))?;
        Ok(address.as_str().unwrap_or_default().to_owned())
    }

    pub fn resize(&self, width: Width) -> anyhow::Result<()> {
        let is_phone = width == Width::Phone;
        let (width, height) = width.pixels();
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).map(drop)
    }

    pub fn set_cookie(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let cookie = json!({"cookie": {"name": name, "value": value, "secure": true}});
        self.post("/cookie", &cookie).map(drop)
    }

    /// What a script of the page would find; its words are in `arguments`.
    pub fn script(&self, source: &str, words: &[&str]) -> anyhow::Result<Value> {
        self.post("/execute/sync", &json!({"script": source, "args": words}))
    }

    /// The same for a script that answers later, by calling its last argument.
    pub fn script_later(&self, source: &str) -> anyhow::Result<Value> {
        self.post("/execute/async", &json!({"script": source, "args": []}))
    }

    /// Waits until a part of the page has this text; gives all that the part says.
    pub fn sees(&self, selector: &str, text: &str) -> anyhow::Result<String> {
        self.sees_within(selector, text, SOON)
    }

    pub fn sees_within(
        &self,
        selector: &str,
        text: &str,
        limit: Duration,
    ) -> anyhow::Result<String> {
        // Text as people read it, wherever the source breaks its lines.
        let source = "const flat = e => e.textContent.replace(/\\s+/g, ' ').trim();
            return [...document.querySelectorAll(arguments[0])].map(flat).find(t => t.includes(arguments[1])) ?? null";
        let seen = until(limit, &format!("{selector} says {text:?}"), || {
            let said = self.script(source, &[selector, text])?;
            Ok(said.as_str().map(str::to_owned))
        });
        seen.with_context(|| self.what_is_there())
    }

    /// Waits until no part of the page has this text any more.
    pub fn sees_no_more(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let source = "return [...document.querySelectorAll(arguments[0])].every(e => !e.textContent.includes(arguments[1]))";
        let gone = until(SOON, &format!("{selector} says {text:?} no more"), || {
            Ok(self.script(source, &[selector, text])?.as_bool().filter(|gone| *gone))
        });
        gone.map(drop).with_context(|| self.what_is_there())
    }

    /// A link or button by what it says, as a person finds it.
    pub fn press(&self, label: &str) -> anyhow::Result<()> {
        let path =
            format!("//main//*[self::a or self::button][normalize-space()={}]", quoted(label));
        self.click(&self.find("xpath", &path)?)
    }

    pub fn click_on(&self, selector: &str) -> anyhow::Result<()> {
        self.click(&self.find("css selector", selector)?)
    }

    fn click(&self, element: &str) -> anyhow::Result<()> {
        self.post(&format!("/element/{element}/click"), &json!({})).map(drop)
    }

    /// Empties a field and types into it.
    pub fn fill(&self, selector: &str, text: &str) -> anyhow::Result<()> {
        let element = self.find("css selector", selector)?;
        self.post(&format!("/element/{element}/clear"), &json!({}))?;
        self.post(&format!("/element/{element}/value"), &json!({"text": text})).map(drop)
    }

    /// A file of this computer, into a field for files.
    pub fn choose(&self, selector: &str, file: &Path) -> anyhow::Result<()> {
        let element = self.find("css selector", selector)?;
        let path = file.display().to_string();
        self.post(&format!("/element/{element}/value"), &json!({"text": path})).map(drop)
    }

    /// Whatever is asked from now on is answered this much later.
    pub fn slow_down(&self, latency: Duration) -> anyhow::Result<()> {
        let unlimited = -1;
        let line = json!({
            "offline": false,
            "latency": latency.as_millis(),
            "downloadThroughput": unlimited,
            "uploadThroughput": unlimited,
        });
        self.devtools("Network.emulateNetworkConditions", line).map(drop)
    }

    /// From the next page on; `script` still looks.
    pub fn run_no_scripts(&self) -> anyhow::Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true})).map(drop)
    }

    /// Types to whatever has the focus, key by key.
    pub fn types(&self, text: &str) -> anyhow::Result<()> {
        let stroke = |letter: char| {
            let key = |what: &str| json!({"type": what, "value": letter.to_string()});
            [key("keyDown"), key("keyUp")]
        };
        self.strokes(text.chars().flat_map(stroke).collect())
    }

    /// One key while Control is held.
    pub fn with_control(&self, letter: &str) -> anyhow::Result<()> {
        let key = |what: &str, value: &str| json!({"type": what, "value": value});
        self.strokes(vec![
            key("keyDown", key::CONTROL),
            key("keyDown", letter),
            key("keyUp", letter),
            key("keyUp", key::CONTROL),
        ])
    }

    fn strokes(&self, strokes: Vec<Value>) -> anyhow::Result<()> {
        let source = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.post("/actions", &json!({"actions": [source]})).map(drop)
    }

    fn find(&self, using: &str, value: &str) -> anyhow::Result<String> {
        let asked = json!({"using": using, "value": value});
        let found = until(SOON, &format!("{value} is there"), || {
            let found = self.post("/element", &asked)?;
            let id = found.as_object().and_then(|found| found.values().next()?.as_str());
            Ok(id.map(str::to_owned))
        });
        found.with_context(|| self.what_is_there())
    }

    /// What the console said since it was last asked: errors of scripts, refusals of the policy, answers that were none.
    pub fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let said = self.post("/se/log", &json!({"type": "browser"}))?;
        let said = said.as_array().context("a log")?;
        Ok(said.iter().map(|line| line["message"].as_str().unwrap_or_default().into()).collect())
    }

    /// The origins that were asked for anything since this was last called.
    pub fn asked(&self) -> anyhow::Result<BTreeSet<String>> {
        let said = self.post("/se/log", &json!({"type": "performance"}))?;
        let mut origins = BTreeSet::new();
        for line in said.as_array().context("a log")? {
            let message: Value = serde_json::from_str(line["message"].as_str().unwrap_or("{}"))?;
            let message = &message["message"];
            if message["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = message["params"]["request"]["url"].as_str().unwrap_or_default();
            let origin: Vec<&str> = url.splitn(4, '/').take(3).collect();
            origins.insert(origin.join("/"));
        }
        Ok(origins)
    }

    /// The whole page as a picture, however long it is.
    pub fn picture(&self, name: &str) -> anyhow::Result<()> {
        let wanted = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.devtools("Page.captureScreenshot", wanted)?;
        let data = BASE64_STANDARD.decode(taken["data"].as_str().context("a picture")?)?;
        let file = self.pictures.join(format!("{name}.png"));
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        Ok(fs::write(file, data)?)
    }

    /// For the message of a wait that was in vain.
    fn what_is_there(&self) -> String {
        let _ = self.picture("last-look");
        let said = self.script("return location.href + '\\n' + document.body.innerText", &[]);
        let said = said.ok().and_then(|said| said.as_str().map(str::to_owned));
        format!("the page says: {}", said.unwrap_or_else(|| "nothing".into()))
    }

    fn devtools(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.driver.post(&self.path(path), body)
    }

    fn path(&self, path: &str) -> String {
        format!("/session/{}{path}", self.session)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; if that fails, the lab's end does.
        let _ = self.driver.delete(&self.path(""));
    }
}

/// As XPath writes a text that has one sort of quote at most.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}

/// What a person does to get in, and what they then see.
pub fn sign_in(browser: &Browser, region: &str, name: &str, password: &str) -> anyhow::Result<()> {
    browser.go(&format!("{region}/sign-in"))?;
    browser.fill("#u", name)?;
    browser.fill("#p", password)?;
    browser.press("Sign in")?;
    browser.sees("header.top", name)?;
    let address = browser.address()?;
    if address.ends_with("/sign-in") {
        bail!("still at {address}");
    }
    Ok(())
}
