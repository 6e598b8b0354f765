//! Hundreds of DHCP clients on one interface, each with a hardware address of its own inside its packets. One socket sends for all; another reads
//! whole frames, so that it also hears answers to hardware addresses that the interface does not have.

pub mod paced;
pub(super) mod packet;

use super::{Node, machine::INTERFACE, until};
use anyhow::{Context, bail, ensure};
use nix::{
    sched::{CloneFlags, setns},
    sys::{
        socket::{
            AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket,
            sockopt::{BindToDevice, ReceiveTimeout},
        },
        time::{TimeVal, TimeValLike},
    },
};
use packet::{Kind, Packet};
use std::{
    collections::HashMap,
    fs::File,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, UdpSocket},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A client asks again after so long without an answer.
const PATIENCE: Duration = Duration::from_millis(1000);
/// Longest time between two looks at whose patience has run out.
const TICK_MS: i64 = 20;

pub type Mac = [u8; 6];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub mac: Mac,
    pub address: Ipv4Addr,
    pub server: Ipv4Addr,
    pub prefix: u8,
    pub dns: Vec<Ipv4Addr>,
}

pub struct Swarm {
    node: Node,
    /// Also keeps port 68 taken, or the kernel would answer the server that nobody listens there.
    mouth: UdpSocket,
    ear: File,
    clients: Vec<Client>,
    by_transaction: HashMap<u32, usize>,
    next_transaction: u32,
    /// Every ACK that ever came, in order.
    pub acknowledged: Vec<Lease>,
    /// Answers that named a transaction of ours and somebody else's hardware address, or an address that was not offered.
    pub wrong: Vec<String>,
    /// Requests that were sent again.
    pub repeated: usize,
    counter: Counter,
}

/// How many ACKs came, for whoever waits beside a swarm that talks.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub fn reaches(&self, count: usize, limit: Duration) -> anyhow::Result<()> {
        let what = format!("{count} acknowledged");
        until(limit, &what, || Ok((self.count() >= count).then_some(())))
    }
}

struct Client {
    mac: Mac,
    state: State,
    transaction: u32,
    sent: Option<Instant>,
}

#[derive(Clone, Debug)]
enum State {
    Selecting,
    Requesting(Lease),
    Bound(Lease),
    Renewing(Lease),
}

impl Swarm {
    /// `family` tells the hardware addresses of several swarms apart.
    pub fn new(node: &Node, family: u8, count: u16) -> anyhow::Result<Self> {
        let (mouth, ear) = sockets(node)?;
        let clients = (0..count).map(|at| Client {
            mac: mac(family, at),
            state: State::Selecting,
            transaction: 0,
            sent: None,
        });
        Ok(Self {
            node: node.clone(),
            mouth,
            ear,
            clients: clients.collect(),
            by_transaction: HashMap::new(),
            next_transaction: u32::from(family) << 24 | 1,
            acknowledged: Vec::new(),
            wrong: Vec::new(),
            repeated: 0,
            counter: Counter::default(),
        })
    }

    /// Until every client has a lease.
    pub fn bind(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.talk(limit)?;
        self.carry_addresses()
    }

    /// Every client that has a lease asks for it again, by unicast to its server (RFC 2131 section 4.3.2, RENEWING), until all are answered.
    pub fn renew(&mut self, limit: Duration) -> anyhow::Result<()> {
        for client in &mut self.clients {
            if let State::Bound(lease) = &client.state {
                client.state = State::Renewing(lease.clone());
                client.sent = None;
            }
        }
        self.talk(limit)
    }

    pub fn counter(&self) -> Counter {
        self.counter.clone()
    }

    pub fn leases(&self) -> Vec<Lease> {
        let bound = self.clients.iter().filter_map(|client| match &client.state {
            State::Bound(lease) | State::Renewing(lease) => Some(lease.clone()),
            State::Selecting | State::Requesting(_) => None,
        });
        bound.collect()
    }

    fn talk(&mut self, limit: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let waiting = self.clients.iter().filter(|client| !client.settled()).count();
            if waiting == 0 {
                return Ok(());
            }
            if began.elapsed() > limit {
                bail!("{waiting} of {} clients not answered within {limit:?}", self.clients.len());
            }
            for at in 0..self.clients.len() {
                self.speak(at)?;
            }
            self.listen()?;
        }
    }

    /// Sends what this client wants to say, if it is time to.
    fn speak(&mut self, at: usize) -> anyhow::Result<()> {
        let client = &mut self.clients[at];
        if client.settled() || client.sent.is_some_and(|sent| sent.elapsed() < PATIENCE) {
            return Ok(());
        }
        self.repeated += usize::from(client.sent.is_some());
        client.sent = Some(Instant::now());
        client.transaction = self.next_transaction;
        self.next_transaction += 1;
        self.by_transaction.insert(client.transaction, at);
        let (xid, mac) = (client.transaction, client.mac);
        let (packet, to) = match &client.state {
            State::Selecting => (packet::discover(xid, mac), Ipv4Addr::BROADCAST),
            State::Requesting(offer) => (packet::request(xid, offer), Ipv4Addr::BROADCAST),
            State::Renewing(lease) => (packet::renew(xid, lease), lease.server),
            State::Bound(_) => return Ok(()),
        };
        self.mouth.send_to(&packet, (to, 67)).map(drop).with_context(|| format!("to {to}"))
    }

    /// Takes answers until none has come for a moment.
    fn listen(&mut self) -> anyhow::Result<()> {
        let mut buffer = [0; 2048];
        loop {
            let length = match self.ear.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("listening for answers"),
            };
            let answer = packet::in_frame(&buffer[..length]).and_then(packet::parse);
            if let Some(packet) = answer {
                self.hear(&packet)?;
            }
        }
    }

    fn hear(&mut self, packet: &Packet) -> anyhow::Result<()> {
        let Some(&at) = self.by_transaction.get(&packet.transaction) else { return Ok(()) };
        let client = &mut self.clients[at];
        if packet.lease.mac != client.mac {
            self.wrong.push(format!(
                "transaction {:x} of {:x?}: {packet:?}",
                packet.transaction, client.mac
            ));
            return Ok(());
        }
        // An answer to what was asked again meanwhile.
        if packet.transaction != client.transaction {
            return Ok(());
        }
        let next = match (&client.state, packet.kind) {
            (State::Selecting, Kind::Offer) => State::Requesting(packet.lease.clone()),
            (State::Requesting(asked) | State::Renewing(asked), Kind::Ack) => {
                if asked.address != packet.lease.address {
                    self.wrong.push(format!("asked for {}, given {packet:?}", asked.address));
                }
                self.acknowledged.push(packet.lease.clone());
                self.counter.0.fetch_add(1, Ordering::Relaxed);
                State::Bound(packet.lease.clone())
            }
            (State::Requesting(_), Kind::Nak) => State::Selecting,
            (State::Renewing(lease), Kind::Nak) => {
                self.wrong.push(format!("{lease:?} is refused"));
                State::Selecting
            }
            // A second OFFER, or one that came late.
            (_, Kind::Offer | Kind::Ack | Kind::Nak) => return Ok(()),
        };
        client.state = next;
        client.sent = None;
        Ok(())
    }

    /// Renewals are answered to the address itself, so the kernel must own it.
    fn carry_addresses(&self) -> anyhow::Result<()> {
        let mut command = self.node.command("ip");
        let mut child = command.args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("piped")?;
        for Lease { address, prefix, .. } in self.leases() {
            writeln!(input, "addr replace {address}/{prefix} dev {INTERFACE}")?;
        }
        drop(input);
        ensure!(child.wait()?.success(), "ip could not set the addresses");
        Ok(())
    }
}

impl Client {
    fn settled(&self) -> bool {
        matches!(self.state, State::Bound(_))
    }
}

/// The mouth and the ear of clients on this node.
pub(super) fn sockets(node: &Node) -> anyhow::Result<(UdpSocket, File)> {
    node.run(&["ip", "link", "set", INTERFACE, "promisc", "on"])?;
    inside(node, || {
        let mouth = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68))?;
        mouth.set_broadcast(true)?;
        setsockopt(&mouth, BindToDevice, &INTERFACE.into())?;
        let all = (SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll);
        let ear = socket(AddressFamily::Packet, SockType::Raw, all.0, all.1)?;
        setsockopt(&ear, ReceiveTimeout, &TimeVal::milliseconds(TICK_MS))?;
        Ok((mouth, File::from(ear)))
    })
}

fn mac(family: u8, at: u16) -> Mac {
    let [high, low] = at.to_be_bytes();
    [0x02, 0x5a, family, 0, high, low]
}

/// Does something on a thread that has entered the node's namespace; sockets that it makes stay there.
pub fn inside<T: Send>(
    node: &Node,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let namespace = File::open(format!("/run/netns/{}", node.namespace()))?;
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            work()
        });
        thread.join().map_err(|_| anyhow::anyhow!("a thread in {} panicked", node.namespace()))?
    })
}
