//! What one packet costs the engine: time, allocations, and memory per lease. `cargo run --release --example micro`
#![expect(clippy::print_stdout, reason = "a program that prints figures")]
#![expect(clippy::disallowed_methods, reason = "measures time, which the engine must not read")]
#![expect(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use common::{
    IpRange, Lifetime, SubnetId, Timestamp, VlanId,
    dhcp_options::OptionValue,
    rack_config::{DhcpSubnet, DhcpVlan, Role},
};
use engine::{
    dhcp::{CompiledVlan, Servers},
    output::{Datagram, Link, Outputs},
};

const CLIENTS: u32 = 128 * 3000;
/// The shell empties its buffers after about as many packets; a stretch that is timed.
const BATCH: usize = 128;
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn main() {
    println!("{:<44} {:>8} {:>12}", "", "ns each", "allocations");
    measure(false);
    measure(true);
}

fn measure(rich: bool) {
    println!("{}", if rich { "relayed PXE: identifier, name, option 82" } else { "plain" });
    let mut bench = Bench::new();
    let first = u32::from(Ipv4Addr::new(10, 1, 0, 0));
    let requests: Vec<_> = (0..CLIENTS)
        .map(|client| packet(3, client, rich, Some(Ipv4Addr::from_bits(first + client))))
        .collect();
    let discovers: Vec<_> = (0..CLIENTS).map(|client| packet(1, client, rich, None)).collect();
    let before = LIVE.load(Ordering::Relaxed);
    for known in ["new", "known"] {
        bench.run(&format!("  DORA of a {known} client"), |bench, client| {
            bench.handle(&discovers[client]);
            bench.handle(&requests[client]);
        });
        assert_eq!(bench.acks, CLIENTS, "every client has its address");
    }
    let used = LIVE.load(Ordering::Relaxed) - before;
    bench.run("  renewal", |bench, client| bench.handle(&requests[client]));
    let inform = packet(8, 1, rich, None);
    bench.run("  INFORM: read and answered", |bench, _| bench.handle(&inform));
    let mut lost = packet(1, 1, rich, None);
    lost[24..28].copy_from_slice(&[172, 16, 0, 1]);
    bench.run("  read, and dropped as of no subnet", |bench, _| bench.handle(&lost));
    println!("  memory: {} B a lease", used / CLIENTS as usize);
}

struct Bench {
    servers: Servers,
    out: Outputs,
    now: Timestamp,
    acks: u32,
}

impl Bench {
    fn new() -> Self {
        let mut servers = Servers::new(7);
        servers.apply_config(vlan());
        let now = Timestamp::from_seconds(1_800_000_000);
        Self { servers, out: Outputs::default(), now, acks: 0 }
    }

    /// The median of many short stretches, so that what else the machine does counts little.
    fn run(&mut self, what: &str, mut each: impl FnMut(&mut Self, usize)) {
        self.out.begin();
        self.acks = 0;
        let allocations = ALLOCATIONS.load(Ordering::Relaxed);
        let mut stretches = Vec::with_capacity(CLIENTS as usize / BATCH + 1);
        for first in (0..CLIENTS as usize).step_by(BATCH) {
            let start = Instant::now();
            (first..first + BATCH).for_each(|client| each(self, client));
            stretches.push(start.elapsed().as_nanos());
            self.acks += u32::try_from(self.out.late.len()).expect("a batch");
            self.out.begin();
        }
        stretches.sort_unstable();
        let median = stretches[stretches.len() / 2] as f64 / BATCH as f64;
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - allocations;
        let allocations = allocations as f64 / f64::from(CLIENTS);
        println!("{what:<44} {median:>8.0} {allocations:>12.4}");
    }

    fn handle(&mut self, packet: &[u8]) {
        let source = SocketAddrV4::new(RELAY, 67);
        let datagram = Datagram { link: Link(0), source, local: Some(SERVER), payload: packet };
        self.servers.handle_datagram(datagram, self.now, &mut self.out);
    }
}

fn packet(kind: u8, client: u32, rich: bool, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut packet = vec![0; 240];
    packet[0..3].copy_from_slice(&[1, 1, 6]);
    packet[24..28].copy_from_slice(&RELAY.octets());
    packet[28] = 2;
    packet[30..34].copy_from_slice(&client.to_be_bytes());
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    let mut option = |code: u8, value: &[u8]| {
        packet.extend_from_slice(&[code, u8::try_from(value.len()).expect("short")]);
        packet.extend_from_slice(value);
    };
    option(53, &[kind]);
    if let Some(address) = address {
        option(50, &address.octets());
        option(54, &SERVER.octets());
    }
    option(55, &[1, 3, 6, 12, 15, 26, 28, 42, 66, 67, 119, 121]);
    if rich {
        option(57, &1464_u16.to_be_bytes());
        option(60, b"PXEClient:Arch:00007:UNDI:003001");
        option(93, &[0, 7]);
        option(94, &[1, 3, 1]);
        option(97, &[0; 17]);
        option(61, &[[255, 0, 0, 0], client.to_be_bytes()].concat());
        option(12, b"node-in-rack-17");
        option(82, b"\x01\x10switch-7:ge-0/0/1\x02\x08chassis1");
    }
    packet.push(255);
    packet.resize(packet.len().max(300), 0);
    packet
}

fn vlan() -> CompiledVlan {
    let range = IpRange::new([10, 1, 0, 0].into(), [10, 31, 255, 255].into()).expect("a range");
    let options = [
        (3, OptionValue::Addresses(vec![SERVER])),
        (6, OptionValue::Addresses(vec![SERVER, RELAY])),
        (15, OptionValue::Text("example.com".into())),
        (26, OptionValue::Short(1500)),
        (42, OptionValue::Addresses(vec![SERVER])),
        (119, OptionValue::Domains(vec!["example.com".into()])),
    ];
    let subnet = DhcpSubnet {
        id: SubnetId::new(uuid::Uuid::nil()),
        prefix: "10.0.0.0/8".parse().expect("a prefix"),
        dynamic: [range].into_iter().collect(),
        reservations: Vec::new(),
        lease: Lifetime::DEFAULT,
        options: options.into_iter().collect(),
        next_server: Some(SERVER),
        boot_file: "shimx64.efi".into(),
        disabled_boot: BTreeSet::new(),
    };
    let id = VlanId::new(uuid::Uuid::nil());
    let vlan = DhcpVlan::new(id, "micro".into(), Role::Primary, vec![subnet]).expect("valid");
    let links = [(Link(0), vec![SERVER])];
    CompiledVlan::compile(&vlan, &links).unwrap_or_else(|objections| panic!("{objections:?}"))
}

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: hands everything on to the system's allocator
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is ours
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is ours
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
