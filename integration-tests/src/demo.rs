//! The data centre that `deploy/demo` leaves standing, and the tour through it.

pub mod churn;
pub mod tour;

use crate::lab::{
    Lab, Process,
    centre::{Centre, HostLink, SEGMENT_A, SEGMENT_B, Wishes},
    ip,
    machine::Machine,
    run,
};
use anyhow::Context;
use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::Command,
};

/// Machines and where they are plugged in. Those of segment B come through the relay.
const MACHINES: [(&str, &str); 6] = [
    ("web1", SEGMENT_A),
    ("web2", SEGMENT_A),
    ("db1", SEGMENT_A),
    ("db2", SEGMENT_A),
    ("ci1", SEGMENT_B),
    ("ci2", SEGMENT_B),
];
/// Its address is kept for it.
const RESERVED: (&str, &str) = ("db1", "10.77.0.100");

pub struct Demo {
    centre: Centre,
    machines: Vec<(String, Machine)>,
}

impl Demo {
    pub fn build(story: &str, folder: &Path) -> anyhow::Result<Self> {
        let lab = Lab::in_folder(story, folder.into())?;
        fs::write(folder.join("prefix"), lab.prefix())?;
        let link = host_link(&lab)?;
        let mut centre = Centre::build(lab, Wishes { host: Some(link), ..Wishes::default() })?;
        centre.relay()?;
        let machines =
            MACHINES.map(|(name, segment)| Ok((name.to_owned(), centre.machine(name, segment)?)));
        let machines = machines.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let (name, address) = RESERVED;
        let (_, machine) = machines.iter().find(|(own, _)| own == name).context("it is there")?;
        let mac = machine.mac()?;
        let words = ["reservation", "create", "--subnet", "10.77.0.0/16", "--address", address];
        let more = ["--mac", &mac, "--host-name", name, "--wait"];
        centre.region.hostler(&[words.as_slice(), &more].concat())?;
        let demo = Self { centre, machines };
        demo.write_environment(folder)?;
        Ok(demo)
    }

    /// Everything stays when this command has ended; its prefix is how it is found again.
    pub fn leave_running(mut self) -> anyhow::Result<()> {
        let folder = self.centre.lab.folder().to_owned();
        let target = folder.parent().context("in cargo's target folder")?;
        let mut command = self.centre.switches.command(std::env::current_exe()?);
        command.arg(target).arg("churn");
        for (name, machine) in &self.machines {
            command.arg(format!("{name}={}", machine.node.namespace()));
        }
        let mut churn = Process::start("churn", &folder, &mut command)?;
        churn.keep();
        self.centre.keep();
        let text = include_str!("demo/tour.txt").replace("SERVER", &self.centre.region.server);
        let mut out = std::io::stdout();
        Ok(out.write_all(text.replace("PREFIX", self.centre.lab.prefix()).as_bytes())?)
    }

    /// What a shell reads to talk to this region; only for the one who started the demonstration, since it holds a token.
    fn write_environment(&self, folder: &Path) -> anyhow::Result<()> {
        let mut text = String::new();
        for (name, value) in self.centre.region.environment() {
            text += &format!("export {name}={value:?}\n");
        }
        let programs = std::env::current_exe()?;
        let programs = programs.parent().context("in a folder")?.display().to_string();
        text += &format!("case :$PATH: in *:{programs}:*) ;; *) PATH={programs}:$PATH ;; esac\n");
        let path = folder.join("env");
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let caller = |name: &str| std::env::var(name).ok().and_then(|id| id.parse().ok());
        Ok(chown(&path, caller("SUDO_UID"), caller("SUDO_GID"))?)
    }
}

/// A cable between the host and region, with a pair of addresses of 198.18.0.0/15 (RFC 2544: for tests, routed nowhere) that the host does not have.
fn host_link(lab: &Lab) -> anyhow::Result<HostLink> {
    let taken = run(Command::new("ip").args(["-4", "-o", "addr"]))?;
    let free = (1..=254).find(|net| !taken.contains(&format!(" 198.19.{net}.")));
    let net = free.context("no free network in 198.19.0.0/16 is left on this host")?;
    Ok(HostLink {
        interface: lab.prefix().to_owned(),
        region: format!("198.19.{net}.1"),
        host: format!("198.19.{net}.2"),
    })
}

impl HostLink {
    /// The host's end is removed with region's namespace.
    pub fn plug(&self, namespace: &str) -> anyhow::Result<()> {
        let own = &self.interface;
        ip(&["link", "add", own, "type", "veth", "peer", "name", "host", "netns", namespace])?;
        ip(&["addr", "add", &format!("{}/30", self.host), "dev", own])?;
        ip(&["link", "set", own, "up"])?;
        ip(&["-n", namespace, "addr", "add", &format!("{}/30", self.region), "dev", "host"])?;
        ip(&["-n", namespace, "link", "set", "host", "up"])
    }
}
