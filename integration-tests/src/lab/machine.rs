//! A machine on a segment, with the DHCP clients that people really run.

use super::{Node, Process, until};
use anyhow::Context;
use nix::sys::signal::Signal;
use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Its interface; a lab's machines have one.
pub const INTERFACE: &str = "eth0";

/// Ample for one exchange on a busy computer; the clients ask again each second meanwhile.
const EXCHANGE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    Udhcpc,
    Dhclient,
    Dhcpcd,
}

pub struct Machine {
    pub node: Node,
    name: String,
    folder: PathBuf,
}

/// What a client was told, in the words of `lease-script.sh`.
#[derive(Clone, Debug)]
pub struct Told(BTreeMap<String, String>);

impl Machine {
    /// Logs and leases go into the folder, as NAME-CLIENT.*.
    pub fn standing(folder: &Path, name: &str, node: Node) -> anyhow::Result<Self> {
        let script = folder.join("lease-script.sh");
        fs::write(&script, include_str!("lease-script.sh"))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(Self { node, name: name.into(), folder: folder.into() })
    }

    /// Gets a lease and keeps the client running, as a machine does.
    pub fn start(&self, client: Client, more: &[&str]) -> anyhow::Result<Process> {
        let text = |end: &str| self.path(client, end).display().to_string();
        let (script, log) =
            (self.folder.join("lease-script.sh"), format!("LEASE_LOG={}", text("leases")));
        let script = script.display().to_string();
        let mut command;
        match client {
            Client::Udhcpc => {
                command = self.node.command("busybox");
                command.args(["udhcpc", "-i", INTERFACE, "-f", "-R", "-t", "15", "-T", "1"]);
                command.args(["-s", &script]).env("LEASE_LOG", text("leases"));
            }
            Client::Dhclient => {
                command = self.node.command("dhclient");
                command.args(["-4", "-d", "-e", &log, "-sf", &script]);
                command.args(["-lf", &text("db"), "-pf", &text("pid")]);
            }
            Client::Dhcpcd => {
                // It has one place for its state and one for its process; mounts of our own let several run.
                let wrap = "mkdir -p /run/dhcpcd && mount -t tmpfs tmpfs /run/dhcpcd \
                            && mount -t tmpfs tmpfs /var/lib/dhcpcd && exec dhcpcd \"$@\"";
                command = self.node.command("unshare");
                command.args(["-m", "sh", "-c", wrap, "dhcpcd", "-4", "-B", "-d", "--noarp"]);
                command.args(["-c", &script, "-f", "/dev/null", "-e", &log]);
                // Of the host's own configuration, which is not read, what asks for these.
                command.args(["-o", "domain_name_servers", "-o", "domain_name", "-o", "routers"]);
            }
        }
        command.args(more);
        if client != Client::Udhcpc {
            command.arg(INTERFACE);
        }
        let name = format!("{}-{client:?}", self.name).to_lowercase();
        Process::start(&name, &self.folder, &mut command)
    }

    /// Everything that this client was told so far, the newest last.
    pub fn told(&self, client: Client) -> anyhow::Result<Vec<Told>> {
        // None yet, before the first lease.
        let text = fs::read_to_string(self.path(client, "leases")).unwrap_or_default();
        Ok(text.lines().map(Told::parse).collect())
    }

    /// Starts a client and waits for its first lease.
    pub fn lease(&self, client: Client, more: &[&str]) -> anyhow::Result<(Process, Told)> {
        let before = self.told(client)?.len();
        let process = self.start(client, more)?;
        let what = format!("{} gets a lease by {client:?}", self.name);
        let told = until(EXCHANGE, &what, || Ok(self.told(client)?.into_iter().nth(before)))
            .with_context(|| format!("its log is {}", process.log_file().display()))?;
        Ok((process, told))
    }

    /// Gives the lease back and ends the client.
    pub fn release(&self, client: Client, mut running: Process) -> anyhow::Result<()> {
        match client {
            // It was started with -R: it releases when it ends.
            Client::Udhcpc => running.signal(Signal::SIGTERM)?,
            Client::Dhclient => {
                let path = |end: &str| self.path(client, end).display().to_string();
                let script = self.folder.join("lease-script.sh").display().to_string();
                let files = ["-lf", &path("db"), "-pf", &path("pid"), "-sf", &script];
                self.node
                    .run(&[&["dhclient", "-4", "-r"], files.as_slice(), &[INTERFACE]].concat())?;
            }
            // Debian's dhcpcd releases at SIGALRM.
            Client::Dhcpcd => running.signal(Signal::SIGALRM)?,
        }
        running.wait(EXCHANGE)?;
        self.node.run(&["ip", "-4", "addr", "flush", "dev", INTERFACE, "scope", "global"]).map(drop)
    }

    fn path(&self, client: Client, end: &str) -> PathBuf {
        let kind = format!("{client:?}").to_lowercase();
        self.folder.join(format!("{}-{kind}.{end}", self.name))
    }

    pub fn mac(&self) -> anyhow::Result<String> {
        self.node.mac(INTERFACE)
    }
}

impl Told {
    fn parse(line: &str) -> Self {
        let pairs = line.split(';').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn address(&self) -> anyhow::Result<Ipv4Addr> {
        self.get("address").parse().with_context(|| format!("an address in {self:?}"))
    }

    pub fn dns(&self) -> Vec<&str> {
        self.get("dns").split([' ', ',']).filter(|word| !word.is_empty()).collect()
    }
}
