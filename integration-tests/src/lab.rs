//! A small data centre in network namespaces: nodes, switches, cables. What runs in it is in the modules below.

pub mod bad_wire;
pub mod centre;
pub mod firmware;
pub mod ledger;
pub mod machine;
pub mod postgres;
pub mod process;
pub mod pxe;
pub mod rack;
pub mod region;
pub mod segment;
pub mod swarm;
pub mod watch;

use anyhow::{Context, bail, ensure};
use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

pub use process::{Process, until};

/// Every namespace of one story or demonstration. Dropping it removes them all, and whatever runs in them.
pub struct Lab {
    prefix: String,
    folder: PathBuf,
    /// Dropped without sweeping: the demonstration goes on after its command has ended.
    kept: bool,
    /// Held while the lab stands, so that a second one of the same name waits instead of pulling this one down.
    _turn: File,
}

/// A machine, switch or router: a namespace of its own.
#[derive(Clone, Debug)]
pub struct Node {
    namespace: String,
}

/// With these the longest namespace has 15 characters, which is what `ip` shows whole and what an interface's name may have.
const LONGEST_STORY: usize = 4;
const LONGEST_NODE: usize = 7;

impl Lab {
    /// A lab for a story; None, said loudly, without the right to make one. `HOSTLER_REQUIRE_ROOT=1` makes that an error.
    pub fn open(story: &str) -> anyhow::Result<Option<Self>> {
        if !nix::unistd::geteuid().is_root() {
            let required = std::env::var("HOSTLER_REQUIRE_ROOT").is_ok_and(|value| value == "1");
            ensure!(!required, "network namespaces need root, and HOSTLER_REQUIRE_ROOT=1 is set");
            // Not eprintln!, which the test harness swallows.
            writeln!(
                std::io::stderr(),
                "\n*** SKIPPED {story}: network namespaces need root ***\n"
            )?;
            return Ok(None);
        }
        let folder = target()?.join("lab").join(story);
        Self::in_folder(story, folder).map(Some)
    }

    /// Like `open`, for whoever has checked for root; everything that is kept goes into this folder.
    pub fn in_folder(story: &str, folder: PathBuf) -> anyhow::Result<Self> {
        ensure!(story.len() <= LONGEST_STORY, "{story}: at most {LONGEST_STORY} characters");
        // Two checkouts on one machine must not meet.
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        let prefix = format!("{story}{:03x}", hasher.finish() & 0xfff);
        fs::create_dir_all(&folder)?;
        let turn = File::create(folder.with_extension("lock"))?;
        turn.lock()?;
        sweep(&prefix)?;
        unmount_below(&folder)?;
        fs::remove_dir_all(&folder)?;
        fs::create_dir_all(&folder)?;
        Ok(Self { prefix, folder, kept: false, _turn: turn })
    }

    /// Leaves everything standing when this value goes; `sweep` or the next lab of this name removes it.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn node(&self, name: &str) -> anyhow::Result<Node> {
        ensure!(name.len() <= LONGEST_NODE, "{name}: at most {LONGEST_NODE} characters");
        let node = Node { namespace: format!("{}-{name}", self.prefix) };
        ip(&["netns", "add", &node.namespace])?;
        ip(&["-n", &node.namespace, "link", "set", "lo", "up"])?;
        // `ip netns exec` lays these over the host's, so that no client's script can spoil it.
        let etc = Path::new("/etc/netns").join(&node.namespace);
        fs::create_dir_all(&etc)?;
        fs::write(etc.join("resolv.conf"), "")?;
        fs::write(etc.join("hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
        Ok(node)
    }

    /// A bridge without a name of its own on the wire: it forwards at once, since it runs no spanning tree.
    pub fn switch(&self, on: &Node, name: &str) -> anyhow::Result<()> {
        let ns = &on.namespace;
        let plain = ["type", "bridge", "mcast_snooping", "0", "forward_delay", "0"];
        ip(&[&["-n", ns, "link", "add", name], plain.as_slice()].concat())?;
        ip(&["-n", ns, "link", "set", name, "up"])
    }

    /// A cable from a node's new interface to a switch.
    pub fn plug(&self, node: &Node, interface: &str, cable: Cable<'_>) -> anyhow::Result<()> {
        let (ns, switches) = (&node.namespace, &cable.on.namespace);
        let name = ns.strip_prefix(&format!("{}-", self.prefix)).context("another lab's node")?;
        let port = format!("{name}.{interface}");
        let peer = ["type", "veth", "peer", "name", interface, "netns", ns];
        ip(&[&["-n", switches, "link", "add", &port], peer.as_slice()].concat())?;
        // veth leaves checksums to hardware that is not there; raw readers would see wrong ones.
        node.run(&["ethtool", "-K", interface, "tx", "off"])?;
        ip(&["-n", switches, "link", "set", &port, "master", cable.switch, "up"])?;
        ip(&["-n", ns, "link", "set", interface, "up"])?;
        cable.addresses.iter().try_for_each(|address| node.address(interface, address))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = sweep(&self.prefix)
        {
            // Nobody to hand it to; the next lab of this name sweeps again.
            let _ = writeln!(std::io::stderr(), "{}: {error:#}", self.prefix);
        }
    }
}

/// The far end of a cable.
#[derive(Clone, Copy)]
pub struct Cable<'a> {
    pub on: &'a Node,
    pub switch: &'a str,
    pub addresses: &'a [&'a str],
}

impl Node {
    /// A namespace that is there already.
    pub fn standing(namespace: &str) -> Self {
        Self { namespace: namespace.into() }
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn address(&self, interface: &str, address: &str) -> anyhow::Result<()> {
        // Duplicate address detection would take a second, and nobody else is here.
        let quick: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        let add = ["-n", &self.namespace, "addr", "add", address, "dev", interface];
        ip(&[add.as_slice(), quick].concat())
    }

    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs to its end; what it printed, or an error with what it complained of.
    pub fn run(&self, words: &[&str]) -> anyhow::Result<String> {
        let (program, arguments) = words.split_first().context("a program")?;
        run(self.command(program).args(arguments))
    }

    pub fn mac(&self, interface: &str) -> anyhow::Result<String> {
        let mac = self.run(&["cat", &format!("/sys/class/net/{interface}/address")])?;
        Ok(mac.trim().to_owned())
    }
}

/// A file system of its own for a folder, as long as this value lives.
pub struct Mount(PathBuf);

impl Mount {
    /// `size` as mount takes it: 16m.
    pub fn tmpfs(folder: &Path, size: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder))?;
        Ok(Self(folder.into()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0) {
            let _ = writeln!(std::io::stderr(), "{}: {error:#}", self.0.display());
        }
    }
}

/// Lazily: what still runs in it ends with the lab.
fn unmount(folder: &Path) -> anyhow::Result<()> {
    run(Command::new("umount").arg("-l").arg(folder)).map(drop)
}

/// What an earlier lab mounted below this folder and could not unmount any more.
fn unmount_below(folder: &Path) -> anyhow::Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(Path::new);
    points.filter(|point| point.starts_with(folder)).try_for_each(unmount)
}

/// Removes every namespace of this prefix and ends what runs in them, nothing else.
pub fn sweep(prefix: &str) -> anyhow::Result<()> {
    let listed = run(Command::new("ip").args(["netns", "list"]))?;
    let start = format!("{prefix}-");
    let names = listed.lines().filter_map(|line| line.split(' ').next());
    for namespace in names.filter(|name| name.starts_with(&start)) {
        let pids = run(Command::new("ip").args(["netns", "pids", namespace]))?;
        for pid in pids.lines().filter_map(|pid| pid.parse().ok()) {
            // It may have ended by itself meanwhile.
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        ip(&["netns", "del", namespace])?;
        let _ = fs::remove_dir_all(Path::new("/etc/netns").join(namespace));
    }
    Ok(())
}

pub fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run(Command::new("ip").args(arguments)).map(drop)
}

/// Runs to its end; what it printed.
pub fn run(command: &mut Command) -> anyhow::Result<String> {
    Ok(String::from_utf8(finish(command)?.stdout)?)
}

fn finish(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// One of our own programs, as cargo built it beside this one.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built; 'cargo build --workspace --bins' does it"))
}

/// Cargo's target folder: above the profile's, in which programs lie and tests one folder deeper. Told by the path alone, since cargo does not
/// mark a folder that was there before its first build.
pub fn target() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let built = own.ancestors().find(|folder| folder.ends_with("deps")).unwrap_or(&own);
    let found = built.ancestors().nth(2);
    found
        .map(Path::to_owned)
        .with_context(|| format!("{} does not lie in a target folder of cargo", own.display()))
}
