//! A wire that loses, doubles and reorders, between client and server.

use std::{
    collections::BinaryHeap,
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Client, Stage, content};

/// Of a hundred packets.
#[derive(Clone, Copy)]
struct Faults {
    lost: u64,
    doubled: u64,
    late: u64,
}

/// One client's wire: what it sends to `near` goes on to the server, and back.
struct Relay {
    near: SocketAddr,
    carried: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// How much later than those behind it a late packet arrives, at most.
const LATE: Duration = Duration::from_millis(3);

impl Relay {
    fn start(server: SocketAddr, faults: Faults, seed: u64) -> Self {
        let [near, far] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        for socket in [&near, &far] {
            socket.set_nonblocking(true).unwrap();
        }
        let address = near.local_addr().unwrap();
        let (carried, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut wire = Wire {
            near,
            far,
            client: None,
            server,
            faults,
            seed,
            late: BinaryHeap::new(),
            carried: Arc::clone(&carried),
        };
        let stop = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if !wire.carry() {
                    thread::sleep(Duration::from_micros(50));
                }
            }
        });
        Self { near: address, carried, ended, thread: Some(thread) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.take().map(thread::JoinHandle::join);
    }
}

struct Wire {
    near: UdpSocket,
    far: UdpSocket,
    client: Option<SocketAddr>,
    /// The port that was asked first, then the transfer's own.
    server: SocketAddr,
    faults: Faults,
    seed: u64,
    /// By when it is due, the earliest first.
    late: BinaryHeap<std::cmp::Reverse<(Instant, bool, Vec<u8>)>>,
    carried: Arc<AtomicU64>,
}

impl Wire {
    /// False: there was nothing to do.
    fn carry(&mut self) -> bool {
        let mut busy = false;
        for is_up in [true, false] {
            let mut buffer = vec![0; 70_000];
            let socket = if is_up { &self.near } else { &self.far };
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    buffer.truncate(length);
                    if is_up {
                        self.client = Some(from);
                    } else {
                        self.server = from;
                    }
                    self.deal(is_up, buffer);
                    busy = true;
                }
                // A port that was closed says so here, too.
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused),
                    "{error}"
                ),
            }
        }
        while self.late.peek().is_some_and(|next| next.0.0 <= Instant::now()) {
            let std::cmp::Reverse((_, is_up, packet)) = self.late.pop().unwrap();
            self.deliver(is_up, &packet);
            busy = true;
        }
        busy
    }

    fn deal(&mut self, is_up: bool, packet: Vec<u8>) {
        let Faults { lost, doubled, late } = self.faults;
        if self.percent() < lost {
            return;
        }
        if self.percent() < doubled {
            self.deliver(is_up, &packet);
        }
        if self.percent() < late {
            let due = Instant::now() + LATE * self.percent() as u32 / 100;
            return self.late.push(std::cmp::Reverse((due, is_up, packet)));
        }
        self.deliver(is_up, &packet);
    }

    fn deliver(&self, is_up: bool, packet: &[u8]) {
        self.carried.fetch_add(1, Ordering::Relaxed);
        let (socket, to) =
            if is_up { (&self.far, Some(self.server)) } else { (&self.near, self.client) };
        if let Some(to) = to {
            // What finds no room is lost, too.
            let _ = socket.send_to(packet, to);
        }
    }

    fn percent(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99_991);
        (self.seed >> 33) % 100
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transfer_is_right_on_a_wire_that_is_not() {
    let bytes = content(150_000);
    let stage = Stage::open(&[("f", &bytes)]).await;
    let mut seed = 0;
    for faults in [
        Faults { lost: 5, doubled: 0, late: 0 },
        Faults { lost: 0, doubled: 10, late: 0 },
        Faults { lost: 0, doubled: 0, late: 10 },
        Faults { lost: 5, doubled: 5, late: 5 },
    ] {
        for options in ["blksize 8192", "blksize 1428 windowsize 16", "blksize 1428 windowsize 4"] {
            seed += 1;
            let relay = Relay::start(stage.address, faults, seed);
            let fetched = Client::on_lossy_wire(relay.near).fetch("f", options).unwrap();
            assert!(fetched.bytes == bytes, "{options}, seed {seed}");
        }
    }
}

/// Each acknowledgement arrives twice. A server that answered both would send every later block twice, too (RFC 1123 section 4.2.3.1).
#[tokio::test(flavor = "multi_thread")]
async fn doubled_packets_do_not_double_the_transfer() {
    let bytes = content(512 * 500);
    let stage = Stage::open(&[("f", &bytes)]).await;
    let relay = Relay::start(stage.address, Faults { lost: 0, doubled: 100, late: 0 }, 1);
    assert!(Client::new(relay.near).fetch("f", "").unwrap().bytes == bytes);
    // 501 blocks, each carried twice and each copy acknowledged, which is carried twice again; a second transfer's beginning, for the doubled request.
    let carried = relay.carried.load(Ordering::Relaxed);
    assert!(carried < 501 * 6 + 50, "{carried} packets");
}
