//! A rack in a node.

use super::{Lab, Node, Process, program, region::Region, run, until};
use anyhow::Context;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const READY: Duration = Duration::from_secs(60);
/// What is counted may be the work of a machine in emulation.
const COUNTED: Duration = Duration::from_secs(300);
const METRICS: &str = "http://127.0.0.1:7252/metrics";

pub struct Rack {
    pub node: Node,
    pub name: String,
    folder: PathBuf,
    /// `run` with a region, `serve` without one.
    verb: &'static str,
    process: Option<Process>,
}

impl Rack {
    /// Writes its configuration: state and status socket of its own, and what the story adds.
    pub fn install(lab: &Lab, name: &str, node: &Node, more: &str) -> anyhow::Result<Self> {
        Self::of_verb("run", lab, name, node, more)
    }

    /// A rack without a region; what is added holds its VLANs.
    pub fn alone(lab: &Lab, name: &str, node: &Node, more: &str) -> anyhow::Result<Self> {
        Self::of_verb("serve", lab, name, node, more)
    }

    fn of_verb(
        verb: &'static str,
        lab: &Lab,
        name: &str,
        node: &Node,
        more: &str,
    ) -> anyhow::Result<Self> {
        let folder = lab.folder().join(name);
        fs::create_dir_all(folder.join("state"))?;
        let rack = Self { node: node.clone(), name: name.into(), folder, verb, process: None };
        rack.configure(more)?;
        Ok(rack)
    }

    /// Replaces what the story adds; takes effect at the next start.
    pub fn configure(&self, more: &str) -> anyhow::Result<()> {
        let config = format!(
            "state-directory = {:?}\nstatus-socket = {:?}\n{more}\n",
            self.state(),
            self.socket(),
        );
        Ok(fs::write(self.config(), config)?)
    }

    /// Becomes a member of region, under its name.
    pub fn join(&self, region: &Region) -> anyhow::Result<()> {
        let made = region.json(&["rack", "token", "create", "--name", &self.name])?;
        let token = made["secret"].as_str().with_context(|| format!("a secret in {made}"))?;
        self.own(&["join", token]).map(drop)
    }

    pub fn start(&mut self) -> anyhow::Result<()> {
        let mut command = self.node.command(program("hostler-rack")?);
        command.args([self.verb, "--config"]).arg(self.config());
        let logs = self.folder.parent().expect("a folder in the lab's");
        self.process = Some(Process::start(&self.name, logs, &mut command)?);
        Ok(())
    }

    /// As a power cut.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.take().context("the rack runs")?.kill()
    }

    pub fn process(&mut self) -> anyhow::Result<&mut Process> {
        self.process.as_mut().context("the rack runs")
    }

    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub fn keep(&mut self) {
        self.process.iter_mut().for_each(Process::keep);
    }

    pub fn status(&self) -> anyhow::Result<Value> {
        let text = self.own(&["status", "-o", "json"])?;
        serde_json::from_str(&text).with_context(|| format!("JSON: {text}"))
    }

    /// What `hostler-rack status` prints for people.
    pub fn says(&self) -> anyhow::Result<String> {
        self.own(&["status"])
    }

    /// Waits until its status says this.
    pub fn shows(&self, text: &str) -> anyhow::Result<String> {
        until(READY, &format!("{}'s status says {text:?}", self.name), || {
            Ok(Some(self.says()?).filter(|status| status.contains(text)))
        })
    }

    /// The sum of a metric, over all series whose text has all of these.
    pub fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let text = self.node.run(&["curl", "-sf", METRICS])?;
        let own = text.lines().filter(|line| {
            line.starts_with(name) && labels.iter().all(|label| line.contains(label))
        });
        let values = own.map(|line| {
            let value = line.rsplit(' ').next().context("a value")?;
            value.parse::<f64>().with_context(|| line.to_owned())
        });
        values.sum()
    }

    /// Waits until a metric is at least this.
    pub fn reaches(&self, name: &str, labels: &[&str], least: f64) -> anyhow::Result<()> {
        until(COUNTED, &format!("{name} {labels:?} is {least}"), || {
            Ok((self.metric(name, labels)? >= least).then_some(()))
        })
    }

    /// `hostler-rack WORDS` on its machine.
    pub fn own(&self, words: &[&str]) -> anyhow::Result<String> {
        let (verb, more) = words.split_first().context("a verb")?;
        let mut command: Command = self.node.command(program("hostler-rack")?);
        run(command.arg(verb).arg("--config").arg(self.config()).args(more))
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("rack.toml")
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("status.sock")
    }
}
