//! The thread that receives and decides. It owns all leases; nobody waits for it but by a command.

use common::{Timestamp, VlanId};
use engine::{
    boot::CompiledBoot,
    dhcp::{CompiledVlan, Position, Retired, Servers},
    lease::record,
    output::{Datagram, Link},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};
use runtime::clock::Clock;
use std::{collections::BTreeMap, io, net::Ipv4Addr, os::fd::AsFd, sync::Arc};
use tokio::sync::{mpsc, oneshot};

use super::{
    super::boot_trace::Sightings,
    meter::{Decided, Meter, Received},
    ports::Ports,
    shed::{Pressure, Shed},
    slot::{Batch, Released, Slot},
};
use crate::{
    net::{self, receive::Receiver, send::Sender, wake::Wake},
    store::leases::{Piece, Snapshots},
};

/// Leases of a snapshot that are taken between two batches of packets: about 10 microseconds of work.
const PIECE: u32 = 256;
/// Of a wait for packets while the disk has to catch up with a snapshot, and between two looks at the figures.
const SNAPSHOT_WAIT: i64 = 1;
const FIGURES_EVERY: i64 = 250_000;
/// Of the epoll set: the wake-up, for it is no interface.
const WAKE: u64 = u64::MAX;

/// What is asked of the thread.
pub(super) enum Command {
    /// What is replaced comes back, to be dropped where nobody waits.
    Apply {
        vlan: Box<CompiledVlan>,
        ports: Arc<Ports>,
        done: oneshot::Sender<io::Result<Retired>>,
    },
    Withdraw {
        vlan: VlanId,
        ports: Arc<Ports>,
        done: oneshot::Sender<io::Result<Retired>>,
    },
    /// What is replaced comes back likewise.
    ApplyBoot {
        boot: Option<Box<CompiledBoot>>,
        done: oneshot::Sender<Option<Box<CompiledBoot>>>,
    },
    /// Answered at once if it cannot be done, else when it is durable.
    Release {
        vlan: VlanId,
        address: Ipv4Addr,
        done: Released,
    },
    End,
}

pub(super) struct Decider {
    servers: Servers,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    wake: Arc<Wake>,
    slot: Arc<Slot>,
    snapshots: Snapshots,
    meter: Arc<Meter>,
    sightings: Sightings,
    ready: Epoll,
    ports: Arc<Ports>,
    receiver: Receiver,
    sender: Sender,
    batch: Batch,
    /// Where the snapshot that is being taken goes on.
    position: Option<Position>,
    shed: Shed,
    received: Received,
    heard: BTreeMap<Link, Heard>,
    figures_at: Timestamp,
    figures_are_old: bool,
    is_full: bool,
    is_ended: bool,
}

/// What is known of one interface's socket.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    pressure: Pressure,
    /// Dropped by the kernel since the socket was opened.
    overflows: u32,
}

/// What the thread is made of.
pub(super) struct Parts {
    pub(super) servers: Servers,
    pub(super) clock: Clock,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) wake: Arc<Wake>,
    pub(super) slot: Arc<Slot>,
    pub(super) snapshots: Snapshots,
    pub(super) meter: Arc<Meter>,
    pub(super) sightings: Sightings,
}

impl Decider {
    pub(super) fn new(parts: Parts) -> io::Result<Self> {
        let Parts { servers, clock, commands, wake, slot, snapshots, meter, sightings } = parts;
        let ready = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        ready.add(&*wake, EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        Ok(Self {
            servers,
            figures_at: clock.now(),
            clock,
            commands,
            wake,
            slot,
            snapshots,
            meter,
            sightings,
            ready,
            ports: Arc::default(),
            receiver: Receiver::new(),
            sender: Sender::new(),
            batch: Batch::new(),
            position: None,
            shed: Shed::default(),
            received: Received::default(),
            heard: BTreeMap::new(),
            figures_are_old: true,
            is_full: false,
            is_ended: false,
        })
    }

    /// Until it is told to end.
    pub(super) fn run(mut self) -> io::Result<()> {
        while !self.is_ended {
            self.turn()?;
        }
        self.slot.end();
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let ready = if self.is_full { self.wait_for_room()? } else { self.wait(&mut events)? };
        let now = self.clock.now();
        for event in &events[..ready] {
            match u16::try_from(event.data()) {
                Ok(link) => self.receive(Link(link), now),
                Err(_) => self.wake.clear(),
            }
        }
        self.obey(now);
        if self.is_full {
            self.is_full = self.slot.is_full();
        } else {
            if self.servers.poll_timeout().is_some_and(|at| at <= now) {
                self.servers.handle_timeout(now, &mut self.batch.out);
            }
            self.take_snapshot();
        }
        self.show_figures(now);
        self.batch.ports = Arc::clone(&self.ports);
        // What commands add to a full slot is little.
        self.is_full |= self.slot.put(&mut self.batch);
        Ok(())
    }

    /// For datagrams, a command, or the time.
    fn wait(&self, events: &mut [EpollEvent]) -> io::Result<usize> {
        let now = self.clock.now();
        let until = |at: Timestamp| (at.micros() - now.micros()).max(0) / 1000 + 1;
        let timer = self.servers.poll_timeout().map(until);
        let figures = self.figures_are_old.then(|| until(self.figures_at.shifted(FIGURES_EVERY)));
        let snapshot = self
            .is_taking_snapshot()
            .then(|| if self.snapshots.has_room() { 0 } else { SNAPSHOT_WAIT });
        let first = [timer, figures, snapshot].into_iter().flatten().min();
        let timeout = first.map_or(EpollTimeout::NONE, |first| {
            EpollTimeout::from(u16::try_from(first).unwrap_or(u16::MAX))
        });
        uninterrupted(self.ready.wait(events, timeout), 0)
    }

    /// Datagrams are left to the sockets' buffers.
    fn wait_for_room(&self) -> io::Result<usize> {
        let mut wake = [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        uninterrupted(poll(&mut wake, PollTimeout::NONE), 0)?;
        self.wake.clear();
        Ok(0)
    }

    fn receive(&mut self, link: Link, now: Timestamp) {
        let ports = Arc::clone(&self.ports);
        let Some(port) = ports.get(link) else { return };
        let heard = self.heard.entry(link).or_default();
        if let Err(error) = self.receiver.receive(&port.socket) {
            self.received.errors += 1;
            tracing::debug!(interface = port.name(), %error, "datagrams cannot be received");
            return;
        }
        if let Some(first) = self.receiver.datagrams().next() {
            heard.pressure.note(&first, now);
        }
        let Batch { out, .. } = &mut self.batch;
        for received in self.receiver.datagrams() {
            if let Some(overflows) = received.overflows {
                let new = overflows.wrapping_sub(heard.overflows);
                heard.overflows = overflows;
                self.received.overflows += u64::from(new);
            }
            if received.truncated {
                self.received.truncated += 1;
            } else if !self.shed.is_shed(heard.pressure, &received, now) {
                let net::receive::Received { source, local, payload, .. } = received;
                let datagram = Datagram { link, source, local, payload };
                self.servers.handle_datagram(datagram, now, out);
            }
        }
        for sighting in out.sightings.drain(..) {
            self.sightings.tell(sighting);
        }
        if !out.early.is_empty() {
            let refused = ports.send(&mut self.sender, &out.bytes, &out.early);
            self.meter.count_refused(refused);
            out.early.clear();
        }
    }

    fn obey(&mut self, now: Timestamp) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Apply { vlan, ports, done } => {
                    let applied = self.listen(ports).map(|()| self.servers.apply_config(*vlan));
                    // Who asked may have given up; it is done all the same.
                    let _ = done.send(applied);
                }
                Command::Withdraw { vlan, ports, done } => {
                    let withdrawn = self.listen(ports).map(|()| self.servers.withdraw(vlan));
                    let _ = done.send(withdrawn);
                }
                Command::ApplyBoot { boot, done } => {
                    let _ = done.send(self.servers.apply_boot(boot));
                }
                Command::Release { vlan, address, done } => {
                    match self.servers.release(vlan, address, now, &mut self.batch.out) {
                        Ok(()) => self.batch.releases.push(done),
                        Err(error) => {
                            let _ = done.send(Err(error));
                        }
                    }
                }
                Command::End => self.is_ended = true,
            }
        }
    }

    /// Listens on these interfaces and no others.
    fn listen(&mut self, ports: Arc<Ports>) -> io::Result<()> {
        for new in ports.iter().filter(|new| !self.ports.has(new)) {
            let link = EpollEvent::new(EpollFlags::EPOLLIN, new.link.0.into());
            self.ready.add(&*new.socket, link)?;
        }
        for old in self.ports.iter().filter(|old| !ports.has(old)) {
            self.ready.delete(&*old.socket)?;
            self.heard.remove(&old.link);
        }
        self.ports = ports;
        Ok(())
    }

    fn is_taking_snapshot(&self) -> bool {
        self.position.is_some() || self.snapshots.is_wanted()
    }

    /// One piece in each turn, busy or not, as long as the disk keeps up.
    fn take_snapshot(&mut self) {
        if self.position.is_none() && self.snapshots.is_wanted() {
            self.snapshots.begin();
            self.position = Some(Position::default());
        }
        let Some(position) = self.position.filter(|_| self.snapshots.reserve_piece()) else {
            return;
        };
        let mut frame = Vec::new();
        record::begin(&mut frame);
        let page = self.servers.snapshot(position, PIECE, &mut frame);
        self.position = page.next;
        let piece = Piece { frame, count: page.records, last: page.next.is_none() };
        self.batch.pieces.push(piece);
    }

    fn show_figures(&mut self, now: Timestamp) {
        self.figures_are_old = now < self.figures_at.shifted(FIGURES_EVERY);
        if self.figures_are_old {
            return;
        }
        self.figures_at = now;
        let mut shown = self.meter.decided();
        let Decided { counters, shed, received, utilisation } = &mut *shown;
        (*counters, *shed, *received) = (*self.servers.counters(), self.shed, self.received);
        utilisation.clear();
        utilisation.extend(self.servers.utilisation());
    }
}

/// A signal ends a wait early, and is not an error.
fn uninterrupted<T>(waited: nix::Result<T>, nothing: T) -> io::Result<T> {
    match waited {
        Err(Errno::EINTR) => Ok(nothing),
        waited => Ok(waited?),
    }
}
