//! The thread of the server: one queue of kernel events for all listeners and transfers, and no lock between a client's packet and its answer.

use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};
use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    ListenError,
    active::{Active, Client, Key, Transfers},
    blocks::Blocks,
    packet::{self, Mode, Options, Packet, Request},
    refusal::Refusal,
    transfer::{Ending, Step, Terms, Transfer},
    waiting::Waiting,
};
use crate::{
    net::wake::Wake,
    services::{
        boot_events::{BootEvents, Failure, Fetch, Protocol, Told},
        boot_files::{self, Content, Entry, Table},
        limits::Limits,
    },
};

pub(super) enum Command {
    /// Listen at these addresses and no others.
    Listen {
        addresses: Vec<SocketAddr>,
        done: oneshot::Sender<Result<(), ListenError>>,
    },
    End,
}

pub(super) struct Parts {
    pub(super) table: watch::Receiver<Arc<Table>>,
    pub(super) events: BootEvents,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) wake: Arc<Wake>,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) limits: Limits,
}

pub(super) struct Server {
    parts: Parts,
    epoll: Epoll,
    listeners: Vec<Listener>,
    transfers: Transfers,
    /// When to look at a transfer again, at the latest; it may have moved on meanwhile.
    deadlines: BinaryHeap<Reverse<(Instant, Key)>>,
    buffer: Box<[u8]>,
    /// When the packets came that are being answered.
    now: Instant,
}

struct Listener {
    socket: UdpSocket,
    address: SocketAddr,
}

/// Kernel events taken at once.
const EVENTS: usize = 256;
/// Requests of one listener taken at once, so that a storm of them leaves transfers their turn.
const REQUESTS: usize = 64;
/// A request has at most 512 bytes (RFC 2347); firmware with long paths and options that ends up above it is served, too.
const DATAGRAM: usize = 2048;
const WAKE: u64 = u64::MAX;
/// Listeners are numbered from here, transfers from 0.
const LISTENERS: u64 = 1 << 32;

impl Server {
    pub(super) fn new(parts: Parts) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(parts.wake.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, WAKE))?;
        let transfers = Transfers::new(parts.limits);
        Ok(Self {
            parts,
            epoll,
            listeners: Vec::new(),
            transfers,
            deadlines: BinaryHeap::new(),
            buffer: vec![0; DATAGRAM].into(),
            now: Instant::now(),
        })
    }

    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let (mut waiting, mut ready) = (Waiting::default(), 0);
        loop {
            let answers = ready > 0 && self.transfers.len() > 0;
            ready = match waiting.wait(&self.epoll, &mut events, answers, self.patience()) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => 0,
                Err(error) => return Err(error.into()),
            };
            self.now = Instant::now();
            for event in &events[..ready] {
                match event.data() {
                    WAKE => {
                        self.parts.wake.clear();
                        if !self.take_commands() {
                            return Ok(());
                        }
                    }
                    listener if listener >= LISTENERS => {
                        self.take_requests((listener - LISTENERS) as usize);
                    }
                    place => {
                        if let Some(key) = self.transfers.at(place as usize) {
                            self.take_packet(key);
                        }
                    }
                }
            }
            self.look_at_deadlines();
            self.parts.open.store(self.transfers.len(), Ordering::Relaxed);
        }
    }

    fn patience(&self) -> EpollTimeout {
        let Some(Reverse((next, _))) = self.deadlines.peek() else { return EpollTimeout::NONE };
        // Rounded up: before its time it would be in vain.
        let left = next.saturating_duration_since(self.now) + Duration::from_millis(1);
        EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
    }

    /// False: it is to end.
    fn take_commands(&mut self) -> bool {
        while let Ok(command) = self.parts.commands.try_recv() {
            match command {
                Command::Listen { addresses, done } => {
                    // Whoever asked and left wants no answer.
                    let _ = done.send(self.listen(&addresses));
                }
                Command::End => return false,
            }
        }
        true
    }

    /// All of them or none: what was heard before is heard on where one is refused. Transfers go on in any case.
    fn listen(&mut self, addresses: &[SocketAddr]) -> Result<(), ListenError> {
        let mut opened = Vec::new();
        for address in addresses {
            if !self.listeners.iter().any(|listener| listener.address == *address) {
                opened.push(Listener::open(*address)?);
            }
        }
        self.listeners.retain(|listener| addresses.contains(&listener.address));
        self.listeners.extend(opened);
        for (at, listener) in self.listeners.iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, LISTENERS + at as u64);
            // Numbered anew; a socket that was closed has left by itself.
            let _ = self.epoll.delete(&listener.socket);
            let refused = |error: Errno| ListenError::refused(listener.address, error.into());
            self.epoll.add(&listener.socket, event).map_err(refused)?;
        }
        Ok(())
    }

    fn take_requests(&mut self, at: usize) {
        for _ in 0..REQUESTS {
            let Some(listener) = self.listeners.get(at) else { return };
            let Ok((length, peer)) = listener.socket.recv_from(&mut self.buffer) else { return };
            let client = Client { peer, local: listener.address.ip() };
            let buffer = std::mem::take(&mut self.buffer);
            let answer = self.answer(client, &buffer[..length]);
            self.buffer = buffer;
            if let (Some(answer), Some(listener)) = (answer, self.listeners.get(at)) {
                // One that is lost is asked for again.
                let _ = listener.socket.send_to(&answer, peer);
            }
        }
    }

    /// Begins what is asked for; what to say where that is refused.
    fn answer(&mut self, client: Client, datagram: &[u8]) -> Option<Vec<u8>> {
        let fetch = |path: String| Fetch {
            protocol: Protocol::Tftp,
            peer: client.peer.ip(),
            told: Told::default(),
            path,
        };
        let (refusal, fetch) = match Packet::parse(datagram) {
            Ok(Packet::Read(request)) => {
                let shown = shown(request.path);
                (self.read(client, &request).err()?, fetch(shown))
            }
            Ok(Packet::Write) => (Refusal::Write, fetch(String::new())),
            // For a transfer that has ended, or rubbish: neither is worth an answer, which could be to a forged address.
            Ok(Packet::Acknowledgement(_) | Packet::Error { .. }) | Err(_) => return None,
        };
        tracing::debug!(peer = %client.peer, path = fetch.path, reason = %refusal, "TFTP request refused");
        self.parts.events.refuse(&fetch, refusal.failure());
        Some(packet::error(refusal.code(), &refusal.to_string()))
    }

    fn read(&mut self, client: Client, request: &Request<'_>) -> Result<(), Refusal> {
        match request.mode {
            Mode::Octet => {}
            Mode::Netascii => return Err(Refusal::Netascii),
            Mode::Other => return Err(Refusal::Mode),
        }
        let path = boot_files::clean(request.path)?;
        if let Some(key) = self.transfers.of_client(&client)
            && let Some(active) = self.transfers.get(key)
            && active.transfer.is_half_open()
        {
            // Asked again before anything was heard. The same once more: its answer was lost. Something else: the first was given up.
            if active.path == path && active.asked == request.options {
                let step = active.transfer.repeat();
                self.act(key, step);
                return Ok(());
            }
            self.end(key, Ending::Failed(Failure::Aborted));
        }
        let content = self.find(&client, &path)?;
        if let Some(oldest) =
            self.transfers.make_room(client.peer.ip()).map_err(|()| Refusal::Busy)?
        {
            self.end(oldest, Ending::Failed(Failure::TimedOut));
        }
        Ok(self.begin(client, request.options, path, content)?)
    }

    fn find(&self, client: &Client, path: &str) -> Result<Content, Refusal> {
        let table = self.parts.table.borrow();
        match table.find(path) {
            Some(Entry::Ready(content)) => Ok(content.clone()),
            Some(Entry::Awaited) => Err(Refusal::NotFetched),
            None => {
                let made = table.made(path, client.peer.ip(), client.local);
                made.map(Content::Made).ok_or(Refusal::NotFound)
            }
        }
    }

    /// A transfer has a socket of its own (RFC 1350 section 4), which the kernel keeps for its client: nobody else's packets come in, and a port that was closed
    /// at the other end is heard of.
    fn begin(
        &mut self,
        client: Client,
        asked: Options,
        path: String,
        content: Content,
    ) -> io::Result<()> {
        let now = self.now;
        let socket = UdpSocket::bind((client.local, 0))?;
        socket.connect(client.peer)?;
        socket.set_nonblocking(true)?;
        let size = content.size();
        let (terms, options) = Terms::negotiate(&asked, size);
        let (transfer, step) = Transfer::new(terms, !options.is_empty(), now);
        let fetch = Fetch {
            protocol: Protocol::Tftp,
            peer: client.peer.ip(),
            told: Told::default(),
            path: path.clone(),
        };
        let active = Active {
            client,
            path,
            asked,
            socket,
            transfer,
            blocks: Blocks::new(content),
            offer: packet::acknowledge_options(&options),
            told: self.parts.events.begin(fetch, size),
            queued: now,
        };
        let key = self.transfers.insert(active);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, key.place() as u64);
        if let Some(active) = self.transfers.get(key)
            && let Err(error) = self.epoll.add(&active.socket, event)
        {
            self.end(key, Ending::Failed(Failure::Local));
            return Err(error.into());
        }
        self.act(key, step);
        Ok(())
    }

    fn take_packet(&mut self, key: Key) {
        let Some(active) = self.transfers.get(key) else { return };
        let step = match active.socket.recv(&mut self.buffer) {
            Ok(length) => match Packet::parse(&self.buffer[..length]) {
                Ok(Packet::Acknowledgement(number)) => {
                    active.transfer.handle_acknowledgement(number, self.now)
                }
                Ok(Packet::Error { code, .. }) => active.transfer.handle_error(code),
                Ok(Packet::Read(_) | Packet::Write) | Err(_) => Step::Nothing,
            },
            Err(error) => on_error(&mut active.transfer, &error),
        };
        self.act(key, step);
    }

    fn act(&mut self, key: Key, step: Step) {
        let Some(active) = self.transfers.get(key) else { return };
        let sent = match step {
            Step::Nothing => return,
            Step::End(ending) => return self.end(key, ending),
            Step::Offer => active.socket.send(&active.offer).map(drop),
            Step::Send { first, last } => {
                active.blocks.send(&active.socket, active.transfer.terms(), first, last)
            }
        };
        active.told.progress(active.transfer.delivered(), self.now);
        let after = match sent {
            Ok(()) => Step::Nothing,
            Err(error) => on_error(&mut active.transfer, &error),
        };
        if let Step::End(ending) = after {
            return self.end(key, ending);
        }
        let deadline = active.transfer.deadline();
        // A deadline that moved away is seen when the queue comes to the old one.
        if active.queued > deadline || active.queued <= self.now {
            active.queued = deadline;
            self.deadlines.push(Reverse((deadline, key)));
        }
    }

    fn look_at_deadlines(&mut self) {
        let now = self.now;
        while let Some(Reverse((at, key))) = self.deadlines.peek().copied()
            && at <= now
        {
            self.deadlines.pop();
            let Some(active) = self.transfers.get(key) else { continue };
            if active.queued != at {
                continue;
            }
            let deadline = active.transfer.deadline();
            if deadline > now {
                active.queued = deadline;
                self.deadlines.push(Reverse((deadline, key)));
                continue;
            }
            let step = active.transfer.handle_timeout(now);
            self.act(key, step);
        }
    }

    fn end(&mut self, key: Key, ending: Ending) {
        if let Some(active) = self.transfers.get(key) {
            tracing::debug!(peer = %active.client.peer, path = active.path, ?ending, "TFTP transfer ended");
        }
        self.transfers.end(key, ending);
    }
}

impl Listener {
    fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let open = || {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket = open().map_err(|error| ListenError::refused(address, error))?;
        Ok(Self { socket, address })
    }
}

fn on_error(transfer: &mut Transfer, error: &io::Error) -> Step {
    use io::ErrorKind::{
        ConnectionRefused, HostUnreachable, Interrupted, NetworkUnreachable, WouldBlock,
    };
    let kind = error.kind();
    if kind == ConnectionRefused {
        return transfer.handle_unreachable();
    }
    // Nothing there after all; or no way there, which may be back before the client gives up.
    if matches!(kind, WouldBlock | Interrupted | HostUnreachable | NetworkUnreachable) {
        return Step::Nothing;
    }
    tracing::warn!(%error, "a TFTP transfer ends");
    Step::End(Ending::Failed(Failure::Local))
}

/// What a stranger wrote, fit for a log.
fn shown(path: &[u8]) -> String {
    path.escape_ascii().take(MOST_SHOWN).map(char::from).collect()
}

const MOST_SHOWN: usize = 256;
