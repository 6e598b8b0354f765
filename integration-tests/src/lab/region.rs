//! A region in a node, and the command line that talks to it.

use super::{Lab, Node, Process, finish, program, run, until, watch::Watch};
use anyhow::Context;
use serde_json::Value;
use std::{fs, path::PathBuf, process::Command, time::Duration};

/// Until a region that was started answers: migrations and keys on a busy computer.
const READY: Duration = Duration::from_secs(60);

pub struct Region {
    pub node: Node,
    name: String,
    folder: PathBuf,
    /// How operators in the lab reach it.
    pub server: String,
    credentials: Credentials,
    process: Option<Process>,
}

#[derive(Clone, Debug)]
struct Credentials {
    token: String,
    fingerprint: String,
}

/// What differs from one region of a story to the next.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    pub name: &'a str,
    pub operators_at: &'a str,
    pub racks_at: &'a [&'a str],
    /// None is SQLite.
    pub database: Option<&'a str>,
    /// The state directory of another region with which it shares a database, and so the key to its secrets.
    pub key_of: Option<&'a Region>,
    /// More lines for the `[racks]` table.
    pub racks: &'a str,
}

impl Region {
    /// Writes its configuration, starts it and makes an administrator's token.
    pub fn install(lab: &Lab, node: &Node, settings: &Settings<'_>) -> anyhow::Result<Self> {
        let folder = lab.folder().join(settings.name);
        fs::create_dir_all(folder.join("state"))?;
        if let Some(other) = settings.key_of {
            fs::copy(other.folder.join("state/region.key"), folder.join("state/region.key"))?;
        }
        let database = settings.database.map(|url| format!("database = {url:?}\n"));
        let config = format!(
            "state-directory = {:?}\n{}[operators]\nnames = {:?}\n[racks]\naddresses = {:?}\n{}\n",
            folder.join("state"),
            database.unwrap_or_default(),
            [settings.operators_at],
            settings.racks_at,
            settings.racks,
        );
        fs::write(folder.join("region.toml"), config)?;
        let host = settings.operators_at;
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let mut region = Self {
            node: node.clone(),
            name: settings.name.into(),
            folder,
            server: format!("https://{host}:7240"),
            credentials: Credentials { token: String::new(), fingerprint: String::new() },
            process: None,
        };
        region.start()?;
        let token =
            |region: &Self| region.own(&["token", "create", "--admin", "--name", &region.name]);
        let fingerprint = |region: &Self| region.own(&["fingerprint"]);
        region.credentials = until(READY, "region makes a token", || {
            Ok(Some(Credentials { token: token(&region)?, fingerprint: fingerprint(&region)? }))
        })?;
        region.ready()?;
        Ok(region)
    }

    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = self.command("serve")?;
        self.process = Some(Process::start(&self.name, self.logs(), &mut command)?);
        Ok(())
    }

    /// As a power cut.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("region runs")?.kill()
    }

    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("region runs")
    }

    pub fn keep(&mut self) {
        self.process.iter_mut().for_each(Process::keep);
    }

    /// Waits until it answers operators.
    pub fn ready(&self) -> anyhow::Result<()> {
        until(READY, "region answers", || self.hostler(&["fabric", "list"]).map(Some)).map(drop)
    }

    /// `hostler-region WORDS`, on its machine; what it printed.
    pub fn own(&self, words: &[&str]) -> anyhow::Result<String> {
        let (verb, more) = words.split_first().context("a verb")?;
        let verb_at = more.iter().take_while(|word| !word.starts_with('-')).count();
        let mut command = self.node.command(program("hostler-region")?);
        command.arg(verb).args(&more[..verb_at]).arg("--config").arg(self.config());
        run(command.args(&more[verb_at..])).map(|text| text.trim().to_owned())
    }

    /// `hostler`, in region's node, knowing this region.
    pub fn cli(&self, words: &[&str]) -> anyhow::Result<Command> {
        let mut command = self.node.command(program("hostler")?);
        command.args(words).envs(self.environment());
        Ok(command)
    }

    /// What a shell needs so that `hostler` talks to this region.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        let Credentials { token, fingerprint } = self.credentials.clone();
        [
            ("HOSTLER_SERVER", self.server.clone()),
            ("HOSTLER_TOKEN", token),
            ("HOSTLER_FINGERPRINT", fingerprint),
        ]
    }

    pub fn hostler(&self, words: &[&str]) -> anyhow::Result<String> {
        run(&mut self.cli(words)?)
    }

    /// `hostler WORDS --wait`: what it says of the racks, which is apart from its output.
    pub fn hostler_wait(&self, words: &[&str]) -> anyhow::Result<String> {
        let output = finish(&mut self.cli(&[words, &["--wait"]].concat())?)?;
        Ok(String::from_utf8(output.stderr)?)
    }

    /// Its output as JSON.
    pub fn json(&self, words: &[&str]) -> anyhow::Result<Value> {
        let text = self.hostler(&[words, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("JSON of {words:?}: {text}"))
    }

    /// The items of a list.
    pub fn list(&self, noun: &str, filter: &str) -> anyhow::Result<Vec<Value>> {
        let filter: &[&str] = if filter.is_empty() { &[] } else { &["--filter", filter] };
        let found = self.json(&[&[noun, "list"], filter].concat())?;
        found.as_array().cloned().with_context(|| format!("a list of {noun}: {found}"))
    }

    /// A watch that goes on, one JSON object a line in `NAME.out`; it has shown all that there is when this returns.
    pub fn watch(&self, name: &str, noun: &str) -> anyhow::Result<Watch> {
        let mut command = self.cli(&[noun, "list", "--watch", "-o", "json"])?;
        let mut watch = Process::start_for_output(name, self.logs(), &mut command)?;
        watch.says("\"current\"", READY)?;
        Ok(Watch::new(watch))
    }

    fn command(&self, verb: &str) -> anyhow::Result<Command> {
        let mut command = self.node.command(program("hostler-region")?);
        command.arg(verb).arg("--config").arg(self.config());
        Ok(command)
    }

    fn config(&self) -> PathBuf {
        self.folder.join("region.toml")
    }

    fn logs(&self) -> &std::path::Path {
        self.folder.parent().expect("a folder in the lab's")
    }
}
