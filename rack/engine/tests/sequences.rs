//! Any sequence of messages, waits, configurations and restarts keeps what the server promises.

#[cfg(test)]
mod support;

use std::{collections::BTreeMap, net::Ipv4Addr};

use common::Timestamp;
use engine::{
    dhcp::Servers,
    lease::{record::Record, state::State},
};
use proptest::prelude::*;
use support::{World, packet::Packet, records, replay, vlan};

/// One VLAN, as an operator changes it.
const CONFIGS: [&str; 5] = [
    "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.13 lease=100",
    "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.12-10.0.0.16 lease=600 reserve=10.0.0.11@1",
    "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.13 reserve=10.0.0.12@id:0203 reserve=10.0.0.30@3",
    "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.11 / 10.0.1.0/24 range=10.0.1.10-10.0.1.12",
    "1 on 0:10.0.1.1 / 10.0.1.0/24 range=10.0.1.10-10.0.1.12 reserve=10.0.1.11@2",
];

#[derive(Clone, Debug)]
enum Action {
    Discover {
        client: u32,
        requested: Option<Ipv4Addr>,
    },
    /// REQUEST for what it was offered last.
    Take {
        client: u32,
    },
    /// REQUEST of another server's offer.
    TakeElsewhere {
        client: u32,
    },
    /// RENEWING, REBINDING: for what it has, or for anything.
    Renew {
        client: u32,
        address: Option<Ipv4Addr>,
    },
    Reboot {
        client: u32,
        address: Option<Ipv4Addr>,
    },
    /// It is switched on: its firmware knows nothing.
    SwitchOn {
        client: u32,
    },
    /// From firmware to loader, from loader to system.
    StartNext {
        client: u32,
    },
    Release {
        client: u32,
    },
    Decline {
        client: u32,
    },
    Inform {
        client: u32,
    },
    OperatorRelease {
        address: Ipv4Addr,
    },
    Wait {
        seconds: i64,
    },
    Configure {
        number: usize,
    },
    Withdraw,
    Restart,
}

fn action() -> impl Strategy<Value = Action> {
    let client = || 0_u32..7;
    let address = || (0_u8..2, 9_u8..18).prop_map(|(net, host)| Ipv4Addr::new(10, 0, net, host));
    prop_oneof![
        6 => (client(), prop::option::of(address()))
            .prop_map(|(client, requested)| Action::Discover { client, requested }),
        8 => client().prop_map(|client| Action::Take { client }),
        1 => client().prop_map(|client| Action::TakeElsewhere { client }),
        5 => (client(), prop::option::weighted(0.3, address()))
            .prop_map(|(client, address)| Action::Renew { client, address }),
        3 => (client(), prop::option::weighted(0.3, address()))
            .prop_map(|(client, address)| Action::Reboot { client, address }),
        2 => (0..MACHINES).prop_map(|client| Action::SwitchOn { client }),
        4 => (0..MACHINES).prop_map(|client| Action::StartNext { client }),
        2 => client().prop_map(|client| Action::Release { client }),
        1 => client().prop_map(|client| Action::Decline { client }),
        1 => client().prop_map(|client| Action::Inform { client }),
        1 => address().prop_map(|address| Action::OperatorRelease { address }),
        3 => prop_oneof![0_i64..70, 50_i64..700, Just(4000)].prop_map(|seconds| Action::Wait { seconds }),
        2 => (0..CONFIGS.len()).prop_map(|number| Action::Configure { number }),
        1 => Just(Action::Withdraw),
        1 => Just(Action::Restart),
    ]
}

/// Clients of which each has a network card of its own, and one more behind the card of the last of them.
const MACHINES: u32 = 6;

fn card(client: u32) -> u32 {
    client.min(MACHINES - 1)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Firmware,
    Loader,
    System,
}

/// What the clients believe, from the answers that they got.
struct Clients {
    world: World,
    stages: BTreeMap<u32, Stage>,
    config: usize,
    offered: BTreeMap<u32, Ipv4Addr>,
    /// Until when which client may use an address.
    held: BTreeMap<Ipv4Addr, (u32, Timestamp)>,
    /// A snapshot, and how long the log was when it was taken.
    snapshot: (Vec<u8>, usize),
}

impl Clients {
    fn new() -> Self {
        Self {
            world: World::new(&[CONFIGS[0]]),
            stages: BTreeMap::new(),
            config: 0,
            offered: BTreeMap::new(),
            held: BTreeMap::new(),
            snapshot: (Vec::new(), 0),
        }
    }

    fn run(&mut self, action: &Action) {
        self.world.out.begin();
        match action {
            Action::Discover { client, requested } => {
                self.send(1, *client, |packet| packet.options.extend(requested.map(option_50)));
            }
            Action::Take { client } => {
                let Some(address) = self.offered.remove(client) else { return };
                self.send(3, *client, |packet| {
                    packet.options.extend([option_50(address), (54, vec![10, 0, 0, 1])]);
                });
            }
            Action::TakeElsewhere { client } => self.send(3, *client, |packet| {
                packet.options.extend([option_50([10, 0, 0, 99].into()), (54, vec![9, 9, 9, 9])]);
            }),
            Action::Renew { client, address } => {
                let Some(address) = address.or(self.address_of(*client)) else { return };
                self.send(3, *client, |packet| packet.ciaddr = address);
            }
            Action::Reboot { client, address } => {
                let Some(address) = address.or(self.address_of(*client)) else { return };
                self.send(3, *client, |packet| packet.options.push(option_50(address)));
            }
            Action::SwitchOn { client } => self.enter(*client, Stage::Firmware),
            Action::StartNext { client } => self.start_next(*client),
            Action::Release { client } => {
                let Some(address) = self.address_of(*client) else { return };
                self.held.remove(&address);
                self.send(7, *client, |packet| packet.ciaddr = address);
            }
            Action::Decline { client } => {
                let Some(address) = self.address_of(*client) else { return };
                self.held.remove(&address);
                self.send(4, *client, |packet| packet.options.push(option_50(address)));
            }
            Action::Inform { client } => {
                self.send(8, *client, |packet| packet.ciaddr = [10, 0, 0, 200].into());
            }
            Action::OperatorRelease { address } => {
                self.held.remove(address);
                let _ = self.world.servers.release(
                    vlan(1),
                    *address,
                    self.world.now,
                    &mut self.world.out,
                );
            }
            Action::Wait { seconds } => self.world.wait(*seconds),
            Action::Configure { number } => {
                self.config = *number;
                self.world.configure(CONFIGS[*number]);
            }
            Action::Withdraw => drop(self.world.servers.withdraw(vlan(1))),
            Action::Restart => {
                self.world.restart();
                self.world.configure(CONFIGS[self.config]);
            }
        }
        if self.world.out.records > 0 {
            self.world.commit();
        }
    }

    fn send(&mut self, kind: u8, client: u32, change: impl FnOnce(&mut Packet)) {
        let mut packet = Packet::new(kind, card(client));
        match self.stage(client) {
            // what shares a network card with a system starts after it
            _ if client >= MACHINES && self.stage(card(client)) != Stage::System => return,
            Stage::Firmware => packet.options.push((60, b"PXEClient".to_vec())),
            Stage::Loader => {
                let identifier = [&[1], &packet.mac()[..]].concat();
                packet.options.extend([(77, b"iPXE".to_vec()), (61, identifier)]);
            }
            Stage::System if client % 2 == 1 || client >= MACHINES => {
                packet.options.push((61, vec![2, client as u8]));
            }
            Stage::System => {}
        }
        change(&mut packet);
        let said = self.world.exchange(&packet);
        let mut words = said.split(' ');
        let (kind, address) = (words.next(), words.next().and_then(|word| word.parse().ok()));
        match (kind, address) {
            (Some("offer"), Some(address)) => {
                self.assert_free(address, client);
                self.offered.insert(client, address);
            }
            (Some("ack"), Some(address)) => self.acknowledged(client, address),
            (Some("nak"), _) => self.held.retain(|_, (holder, _)| *holder != client),
            _ => {}
        }
    }

    fn stage(&self, client: u32) -> Stage {
        self.stages.get(&client).copied().unwrap_or(Stage::System)
    }

    fn start_next(&mut self, client: u32) {
        match self.stage(client) {
            Stage::Firmware => self.enter(client, Stage::Loader),
            Stage::Loader => self.enter(client, Stage::System),
            Stage::System => {}
        }
    }

    /// All that runs on a machine forgets what it had when that starts anew.
    fn enter(&mut self, client: u32, stage: Stage) {
        self.stages.insert(client, stage);
        self.held.retain(|_, (holder, _)| card(*holder) != client);
        self.offered.retain(|holder, _| card(*holder) != client);
    }

    /// No address belongs to two clients, and an ACK stands behind its record.
    fn acknowledged(&mut self, client: u32, address: Ipv4Addr) {
        self.assert_free(address, client);
        let mut frame = self.world.out.log.clone();
        engine::lease::record::seal(&mut frame, 1, self.world.out.records);
        let records = records(&frame);
        let bound = records.iter().find(|record| record.address == address);
        let bound = bound.expect("an ACK stands behind its record");
        assert_eq!(bound.state, State::Bound);
        assert_eq!(bound.hardware, support::packet::mac(card(client)));
        assert!(bound.ends > self.world.now);
        self.held.retain(|_, (holder, _)| *holder != client);
        self.held.insert(address, (client, bound.ends));
    }

    fn assert_free(&self, address: Ipv4Addr, client: u32) {
        let other = self
            .held
            .get(&address)
            .filter(|(holder, until)| *holder != client && *until > self.world.now);
        assert_eq!(other, None, "{address} is given to {client}");
    }

    fn address_of(&self, client: u32) -> Option<Ipv4Addr> {
        self.held.iter().find(|(_, (holder, _))| *holder == client).map(|(address, _)| *address)
    }

    fn judge(&self) {
        let live = self.world.snapshot();
        let live = table(&live);
        let going_on = |records: &BTreeMap<Ipv4Addr, Record<'_>>, state: State| {
            records.values().filter(|record| record.state == state).count()
        };
        let mut utilisation = self.world.servers.utilisation();
        if let Some((_, used)) = utilisation.next() {
            assert_eq!(used.bound as usize, going_on(&live, State::Bound));
            assert_eq!(used.declined as usize, going_on(&live, State::Declined));
            assert!(used.free <= used.addresses);
            assert!(used.free + used.offered + used.bound + used.declined >= used.addresses);
        }
        // everything that clients were told is known, whichever way it is read back
        let (snapshot, from) = &self.snapshot;
        let mut ways = [Servers::new(3), Servers::new(4), Servers::new(5)];
        replay(&mut ways[0], &self.world.log);
        replay(&mut ways[1], snapshot);
        replay(&mut ways[1], &self.world.log[*from..]);
        replay(&mut ways[2], snapshot);
        replay(&mut ways[2], &self.world.log);
        for servers in ways {
            let known = support::snapshot(&servers);
            let known = table(&known);
            for state in [State::Bound, State::Declined] {
                assert_eq!(going_on(&known, state), going_on(&live, state));
            }
            for (address, record) in &live {
                // who had an address last is remembered as long as that costs nothing
                let known = known.get(address);
                let ended = known.is_none_or(|known| known.state.is_ended());
                assert!(known == Some(record) || ended && record.state.is_ended());
            }
        }
    }
}

fn option_50(address: Ipv4Addr) -> (u8, Vec<u8>) {
    (50, address.octets().to_vec())
}

fn table(snapshot: &[u8]) -> BTreeMap<Ipv4Addr, Record<'_>> {
    let records = records(snapshot);
    let count = records.len();
    let table: BTreeMap<_, _> =
        records.into_iter().map(|record| (record.address, record)).collect();
    assert_eq!(table.len(), count, "one lease per address");
    table
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn promises_hold(actions in prop::collection::vec(action(), 1..120), cut in 0_usize..120) {
        let mut clients = Clients::new();
        for (number, action) in actions.iter().enumerate() {
            if number == cut {
                clients.snapshot = (clients.world.snapshot(), clients.world.log.len());
            }
            clients.run(action);
        }
        clients.judge();
    }
}
