//! A cable that loses frames, carries some twice, and lets some overtake others. The kernel's own means (`tc netem`) is not in every kernel, so the cable is
//! a node of its own, with a raw socket at each end and a thread between them.

use super::{Cable, Lab, Node, ip, machine::INTERFACE, swarm::inside};
use anyhow::{Context, ensure};
use nix::{
    ifaddrs::getifaddrs,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, bind, socket},
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, AsRawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How bad it is: of a thousand frames, either way.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub lost: u64,
    /// The second one comes late.
    pub doubled: u64,
    /// Overtaken by whatever is sent meanwhile.
    pub late: u64,
    /// The most by which one is late.
    pub delay: Duration,
    /// Decides each frame's fate, by its place among those of its direction.
    pub seed: u64,
}

/// What became of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    pub carried: u64,
    pub lost: u64,
    pub doubled: u64,
    pub overtaken: u64,
}

/// Both ends are plugged in until this value goes.
pub struct BadWire {
    counts: Arc<[Counts; 2]>,
    cut: Arc<AtomicBool>,
    relay: Option<JoinHandle<anyhow::Result<()>>>,
}

/// The node's end, and the switch's.
const ENDS: [&str; 2] = ["far", "near"];
/// Longer than what Ethernet carries, since nothing here cuts what a sender did not.
const FRAME: usize = 65_536;
/// More are on their way at no time; what comes then is lost, as in a switch.
const HELD: usize = 4096;
/// Between two looks at whether the cable was pulled.
const LOOK_MS: u16 = 50;

impl BadWire {
    /// Plugs a node's `eth0` into a switch by a cable that is the node `name`.
    pub fn plug(
        lab: &Lab,
        name: &str,
        node: &Node,
        cable: Cable<'_>,
        faults: Faults,
    ) -> anyhow::Result<Self> {
        let wire = lab.node(name)?;
        // It says nothing of its own.
        wire.run(&["sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"])?;
        let [far, near] = ENDS;
        lab.plug(&wire, near, Cable { addresses: &[], ..cable })?;
        let peer = ["type", "veth", "peer", "name", INTERFACE, "netns", node.namespace()];
        let from = ["-n", wire.namespace(), "link", "add", far];
        ip(&[from.as_slice(), peer.as_slice()].concat())?;
        // Checksums and segments are the sender's own work, as on a cable.
        let off = ["tx", "off", "tso", "off", "gso", "off", "gro", "off"];
        node.run(&[["ethtool", "-K", INTERFACE].as_slice(), &off].concat())?;
        for end in ENDS {
            wire.run(&["ip", "link", "set", end, "promisc", "on", "up"])?;
        }
        ip(&["-n", node.namespace(), "link", "set", INTERFACE, "up"])?;
        cable.addresses.iter().try_for_each(|address| node.address(INTERFACE, address))?;
        let ends = inside(&wire, || Ok([open(far)?, open(near)?]))?;
        let (counts, cut) = (Arc::<[Counts; 2]>::default(), Arc::<AtomicBool>::default());
        let relay = Relay {
            ends,
            faults,
            dice: [Dice(faults.seed), Dice(!faults.seed)],
            held: BinaryHeap::new(),
            order: 0,
            newest: [0; 2],
            counts: Arc::clone(&counts),
        };
        let pulled = Arc::clone(&cut);
        let relay = thread::Builder::new().name(name.into()).spawn(move || relay.run(&pulled))?;
        Ok(Self { counts, cut, relay: Some(relay) })
    }

    /// From the node, and to it.
    pub fn fates(&self) -> [Fates; 2] {
        [self.counts[0].fates(), self.counts[1].fates()]
    }

    /// Pulls it; what it came to, unless it broke before.
    pub fn pull(mut self) -> anyhow::Result<[Fates; 2]> {
        self.end()?;
        Ok(self.fates())
    }

    fn end(&mut self) -> anyhow::Result<()> {
        self.cut.store(true, Relaxed);
        let Some(relay) = self.relay.take() else { return Ok(()) };
        relay.join().map_err(|_| anyhow::anyhow!("the wire's thread panicked"))?
    }
}

impl Drop for BadWire {
    fn drop(&mut self) {
        // Whoever wants to know how it went has asked.
        let _ = self.end();
    }
}

fn open(interface: &str) -> anyhow::Result<File> {
    let mut own = getifaddrs()?.filter(|entry| entry.interface_name == interface);
    let link = own.find_map(|entry| entry.address?.as_link_addr().copied());
    let link = link.with_context(|| format!("{interface} has a hardware address"))?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    bind(socket.as_raw_fd(), &link)?;
    Ok(File::from(socket))
}

#[derive(Default)]
struct Counts {
    carried: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    overtaken: AtomicU64,
}

impl Counts {
    fn fates(&self) -> Fates {
        Fates {
            carried: self.carried.load(Relaxed),
            lost: self.lost.load(Relaxed),
            doubled: self.doubled.load(Relaxed),
            overtaken: self.overtaken.load(Relaxed),
        }
    }
}

struct Relay {
    ends: [File; 2],
    faults: Faults,
    dice: [Dice; 2],
    /// The next one that is due first.
    held: BinaryHeap<Reverse<Late>>,
    /// In which all frames came.
    order: u64,
    /// Of each direction, the newest that was carried.
    newest: [u64; 2],
    counts: Arc<[Counts; 2]>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    due: Instant,
    order: u64,
    from: usize,
    frame: Vec<u8>,
}

impl Relay {
    fn run(mut self, cut: &AtomicBool) -> anyhow::Result<()> {
        let mut buffer = vec![0; FRAME];
        while !cut.load(Relaxed) {
            self.wait()?;
            for from in 0..self.ends.len() {
                while let Some(length) = received(&mut self.ends[from], &mut buffer)? {
                    self.take(from, &buffer[..length])?;
                }
            }
            self.release()?;
        }
        Ok(())
    }

    /// For frames, or until one is due.
    fn wait(&self) -> anyhow::Result<()> {
        let left = |Reverse(late): &Reverse<Late>| {
            let left = late.due.saturating_duration_since(Instant::now()).as_millis();
            u16::try_from(left + 1).unwrap_or(LOOK_MS).min(LOOK_MS)
        };
        let timeout = self.held.peek().map_or(LOOK_MS, left);
        let mut ends = self.ends.each_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN));
        poll(&mut ends, PollTimeout::from(timeout)).map(drop).context("a wire's poll")
    }

    fn take(&mut self, from: usize, frame: &[u8]) -> anyhow::Result<()> {
        self.order += 1;
        let (order, Faults { lost, doubled, late, .. }) = (self.order, self.faults);
        let dice = &mut self.dice[from];
        let (fate, second, delay) = (dice.of(1000), dice.of(1000), dice.of(1000));
        if fate < lost {
            self.counts[from].lost.fetch_add(1, Relaxed);
            return Ok(());
        }
        if second < doubled {
            self.counts[from].doubled.fetch_add(1, Relaxed);
            self.hold(from, order, delay, frame);
        }
        if fate < lost + late {
            self.hold(from, order, delay, frame);
            return Ok(());
        }
        self.carry(from, order, frame)
    }

    fn hold(&mut self, from: usize, order: u64, thousandths: u64, frame: &[u8]) {
        if self.held.len() < HELD {
            let delay = self.faults.delay.mul_f64(thousandths as f64 / 1000.0);
            let due = Instant::now() + delay;
            self.held.push(Reverse(Late { due, order, from, frame: frame.into() }));
        }
    }

    fn release(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        while let Some(Reverse(late)) = self.held.pop() {
            if late.due > now {
                self.held.push(Reverse(late));
                break;
            }
            if late.order < self.newest[late.from] {
                self.counts[late.from].overtaken.fetch_add(1, Relaxed);
            }
            self.carry(late.from, late.order, &late.frame)?;
        }
        Ok(())
    }

    fn carry(&mut self, from: usize, order: u64, frame: &[u8]) -> anyhow::Result<()> {
        self.newest[from] = self.newest[from].max(order);
        match self.ends[1 - from].write(frame) {
            Ok(length) => ensure!(length == frame.len(), "half a frame"),
            // A full queue loses it, as a cable's end does.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::EAGAIN)) => {}
            Err(error) => return Err(error).context("a frame"),
        }
        self.counts[from].carried.fetch_add(1, Relaxed);
        Ok(())
    }
}

fn received(end: &mut File, buffer: &mut [u8]) -> anyhow::Result<Option<usize>> {
    match end.read(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error).context("a wire's end"),
    }
}

/// Steele, Lea and Flood's SplitMix64: the same numbers of the same seed, everywhere.
struct Dice(u64);

impl Dice {
    /// Below `sides`.
    fn of(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}
