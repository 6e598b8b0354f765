//! Servers with a clock and a memory, driven by lines of text: what each line makes them answer and record is a line of text again.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a program of its own and uses its part"
)]

pub mod capture;
pub mod config;
pub mod packet;
pub mod reply;

use std::net::Ipv4Addr;

use common::{Timestamp, VlanId};
use engine::{
    dhcp::{Position, Servers},
    lease::record::{self, Record},
    output::{Outputs, To},
};
use packet::Packet;

pub struct World {
    pub servers: Servers,
    pub now: Timestamp,
    pub out: Outputs,
    /// Every frame that was written.
    pub log: Vec<u8>,
    sequence: u64,
}

pub fn vlan(number: u8) -> VlanId {
    VlanId::new(uuid::Uuid::from_u128(number.into()))
}

/// Runs a table of steps: a line in, what comes of it out.
pub fn check(configs: &[&str], steps: &[(&str, &str)]) {
    let mut world = World::new(configs);
    for (number, (step, expected)) in steps.iter().enumerate() {
        let got = world.step(step);
        assert_eq!(got, *expected, "step {number}: {step}");
    }
}

impl World {
    pub fn new(configs: &[&str]) -> Self {
        let mut world = Self {
            servers: Servers::new(1),
            now: Timestamp::from_seconds(1_000_000),
            out: Outputs::default(),
            log: Vec::new(),
            sequence: 0,
        };
        for config in configs {
            world.configure(config);
        }
        world
    }

    pub fn configure(&mut self, text: &str) {
        self.servers.apply_config(config::compile(text).unwrap());
    }

    /// `wait SECONDS`, `config ...`, `boot ...`, `withdraw VLAN`, `free VLAN ADDRESS` (an operator's release), `restart`, `counters`, or a packet.
    pub fn step(&mut self, line: &str) -> String {
        self.out.begin();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut said = match verb {
            "wait" => {
                self.wait(rest.parse().unwrap());
                String::new()
            }
            "config" => {
                self.configure(rest);
                String::new()
            }
            "withdraw" => {
                self.servers.withdraw(vlan(rest.parse().unwrap()));
                String::new()
            }
            "boot" => {
                self.servers.apply_boot(Some(Box::new(config::boot(rest))));
                String::new()
            }
            "free" => self.free(rest),
            "restart" => {
                self.restart();
                String::new()
            }
            _ => self.exchange(&Packet::parse(line)),
        };
        for record in self.commit() {
            let joint = if said.is_empty() { "" } else { " " };
            said.push_str(&format!("{joint}+{record}"));
        }
        said
    }

    pub fn wait(&mut self, seconds: i64) {
        self.now = self.now.shifted(seconds * 1_000_000);
        while self.servers.poll_timeout().is_some_and(|due| due <= self.now) {
            self.servers.handle_timeout(self.now, &mut self.out);
        }
    }

    fn free(&mut self, rest: &str) -> String {
        let (number, address) = rest.split_once(' ').unwrap();
        let (vlan, address) = (vlan(number.parse().unwrap()), address.parse().unwrap());
        let done = self.servers.release(vlan, address, self.now, &mut self.out);
        done.map_or_else(|error| error.to_string(), |()| String::new())
    }

    pub fn exchange(&mut self, packet: &Packet) -> String {
        let bytes = packet.bytes();
        self.servers.handle_datagram(packet.datagram(&bytes), self.now, &mut self.out);
        let sends = self.out.early.iter().map(|send| ("", send));
        let sends = sends.chain(self.out.late.iter().map(|send| ("", send)));
        let said = sends.map(|(_, send)| {
            let to = match send.to {
                To::Unicast(to) => to.to_string(),
                To::Broadcast => "broadcast".into(),
                To::Hardware { mac, address } => {
                    assert_eq!(mac, packet.mac(), "a frame goes to its client");
                    format!("frame:{address}")
                }
            };
            let reply = reply::read(self.out.payload(send));
            assert!(reply.answers(packet), "{reply:?}");
            format!("{} {to}{}", reply.summary(), reply.shown(&packet.show))
        });
        said.collect::<Vec<_>>().join("; ")
    }

    /// Puts what was recorded into the log, and tells of it.
    pub fn commit(&mut self) -> Vec<String> {
        if self.out.records == 0 {
            assert!(self.out.late.is_empty(), "an ACK without a record");
            return Vec::new();
        }
        self.sequence += 1;
        record::seal(&mut self.out.log, self.sequence, self.out.records);
        let frame = record::read_frame(&self.out.log).unwrap();
        assert_eq!(frame.count, self.out.records);
        let records: Vec<_> = frame.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), self.out.records as usize);
        assert_eq!(records.last().map(|record| record.revision), Some(self.out.revision));
        self.log.extend_from_slice(&self.out.log);
        records.iter().map(|record| self.told(record)).collect()
    }

    fn told(&self, record: &Record<'_>) -> String {
        let state = format!("{:?}", record.state).to_lowercase();
        format!("{state} {} {}", record.address, record.ends.seconds() - self.now.seconds())
    }

    /// Forgets all but the log, and reads that.
    pub fn restart(&mut self) {
        self.servers = Servers::new(2);
        let log = std::mem::take(&mut self.log);
        replay(&mut self.servers, &log);
        self.log = log;
    }

    pub fn snapshot(&self) -> Vec<u8> {
        snapshot(&self.servers)
    }
}

/// All leases as one snapshot, in pages.
pub fn snapshot(servers: &Servers) -> Vec<u8> {
    let (mut whole, mut frame) = (Vec::new(), Vec::new());
    let mut next = Some(Position::default());
    while let Some(from) = next {
        record::begin(&mut frame);
        let page = servers.snapshot(from, 3, &mut frame);
        record::seal(&mut frame, 1, page.records);
        whole.extend_from_slice(&frame);
        next = page.next;
    }
    whole
}

/// Every record of a log, in order.
pub fn records(mut log: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while let Some(frame) = record::read_frame(log) {
        records.extend(frame.records().map(Result::unwrap));
        log = &log[frame.size()..];
    }
    assert!(log.is_empty(), "a frame that cannot be read");
    records
}

pub fn replay(servers: &mut Servers, log: &[u8]) {
    records(log).iter().for_each(|record| servers.load(record));
}

pub fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}
