//! A PostgreSQL server of the lab's own.

use super::{Node, Process};
use anyhow::Context;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

pub struct Postgres {
    node: Node,
    logs: PathBuf,
    /// Not in the lab's folder: the user who runs it may be kept out of our home.
    folder: TempDir,
    fsync: Fsync,
    pub process: Process,
}

/// Whether a commit is on the disk before it is answered.
#[derive(Clone, Copy)]
enum Fsync {
    On,
    /// Nothing in it outlives the story, whose crashes are of processes and not of the machine.
    Off,
}

/// PostgreSQL refuses to be run by root.
const AS_NOBODY: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
const READY: Duration = Duration::from_secs(30);

impl Postgres {
    /// Listens on every address of the node.
    pub fn new(node: &Node, logs: &Path) -> anyhow::Result<Self> {
        Self::of(node, logs, Fsync::Off)
    }

    /// The same, for who measures it.
    pub fn durable(node: &Node, logs: &Path) -> anyhow::Result<Self> {
        Self::of(node, logs, Fsync::On)
    }

    fn of(node: &Node, logs: &Path, fsync: Fsync) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hostler-postgres-").tempdir()?;
        let nobody = nix::unistd::User::from_name("nobody")?.context("there is a user nobody")?;
        nix::unistd::chown(folder.path(), Some(nobody.uid), Some(nobody.gid))?;
        let data = data(folder.path());
        let make = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync", "-D"];
        super::run(as_nobody(Command::new(AS_NOBODY[0]), "initdb")?.args(make).arg(&data))?;
        // Anybody in the lab may come in.
        let rules = "host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n";
        std::fs::write(data.join("pg_hba.conf"), rules)?;
        let process = run(node, logs, (folder.path(), fsync))?;
        Ok(Self { node: node.clone(), logs: logs.into(), folder, fsync, process })
    }

    /// Ends every connection and itself, in order.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        // SIGINT is PostgreSQL's "fast" shutdown; SIGTERM would wait for clients to leave.
        self.process.signal(nix::sys::signal::Signal::SIGINT)?;
        self.process.wait(READY).map(drop)
    }

    pub fn start(&mut self) -> anyhow::Result<()> {
        self.process = run(&self.node, &self.logs, (self.folder.path(), self.fsync))?;
        Ok(())
    }
}

fn run(node: &Node, logs: &Path, (folder, fsync): (&Path, Fsync)) -> anyhow::Result<Process> {
    let fsync = match fsync {
        Fsync::On => "fsync=on",
        Fsync::Off => "fsync=off",
    };
    let settings = ["listen_addresses=*", "max_connections=200", fsync];
    let mut command = as_nobody(node.command(AS_NOBODY[0]), "postgres")?;
    command.arg("-D").arg(data(folder)).args(["-k", ""]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    // Its log begins anew, so that "ready" is said by this one.
    let _ = std::fs::remove_file(logs.join("postgres.log"));
    let mut process = Process::start("postgres", logs, &mut command)?;
    process.says("ready to accept connections", READY)?;
    Ok(process)
}

fn as_nobody(mut setpriv: Command, program: &str) -> anyhow::Result<Command> {
    setpriv.args(&AS_NOBODY[1..]).arg(installed(program)?);
    Ok(setpriv)
}

/// Debian keeps PostgreSQL's programs out of everybody's path.
fn installed(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    std::env::split_paths(&path)
        .chain(debian)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("{program} is not installed; 'deploy/test --only packages' does"))
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}
