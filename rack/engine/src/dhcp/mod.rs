//! The DHCP of a rack: all its VLANs, one owner, no lock.

mod boot;
mod booting;
pub(crate) mod compiled;
mod counters;
mod exchange;
mod options;
mod reply;
mod scope;
mod server;
mod v4;
mod walk;

pub use compiled::CompiledVlan;
pub use counters::{Answer, Counters, Dropped};
pub use v4::Kind;

use std::net::Ipv4Addr;

use common::{Timestamp, VlanId};

use crate::{
    boot::CompiledBoot,
    lease::{
        Pool,
        record::{self, Record},
        table::seconds,
    },
    output::{Datagram, Outputs},
};
use boot::Awaited;
use exchange::Exchange;
use scope::Places;
use server::{Ledger, Server};
use v4::Request;

/// Every VLAN that this rack serves or has leases of. First `load` what the lease log holds, then `apply_config`, then the rest in any order; time never goes
/// back from call to call.
pub struct Servers {
    seed: u64,
    servers: Vec<Server>,
    places: Places,
    revision: u64,
    counters: Counters,
    joined: walk::Joined,
    /// None: this rack serves no boot files.
    boot: Option<Box<CompiledBoot>>,
    awaited: Awaited,
    /// The second up to which everything that ended is dealt with; none if something is left over.
    swept: Option<u32>,
}

/// What a new configuration has replaced, to be dropped where nobody waits.
pub struct Retired {
    _config: Option<CompiledVlan>,
    _pools: Vec<Pool>,
}

/// Where a snapshot goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    server: usize,
    slot: u32,
}

/// A piece of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub records: u32,
    /// None at the end.
    pub next: Option<Position>,
}

/// How the addresses of a VLAN are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utilisation {
    /// In dynamic ranges.
    pub addresses: u32,
    /// Of those, without a lease that goes on.
    pub free: u32,
    pub offered: u32,
    pub bound: u32,
    pub declined: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    #[error("this rack has no leases of that VLAN")]
    UnknownVlan,
    #[error("that address has no lease")]
    NoLease,
}

/// How many leases may end in the shadow of one packet, and in one call for time alone.
const EXPIRED_PER_DATAGRAM: u32 = 64;
const EXPIRED_PER_TIMEOUT: u32 = 4096;

impl Servers {
    /// The seed keeps strangers from choosing what collides in a table.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            servers: Vec::new(),
            places: Places::default(),
            revision: 0,
            counters: Counters::default(),
            joined: walk::Joined::default(),
            boot: None,
            awaited: Awaited::default(),
            swept: None,
        }
    }

    /// Takes in a record of the lease log or of a snapshot, also of a VLAN that is not configured.
    pub fn load(&mut self, record: &Record<'_>) {
        self.revision = self.revision.max(record.revision);
        let at = self.server(record.vlan);
        self.servers[at].table.load(record);
    }

    /// The log has had records up to this one, of which none may be left.
    pub fn resume_after(&mut self, revision: u64) {
        self.revision = self.revision.max(revision);
    }

    /// Serves a VLAN from now on as this says; its leases stay.
    pub fn apply_config(&mut self, mut vlan: CompiledVlan) -> Retired {
        let at = self.server(vlan.vlan);
        let server = &mut self.servers[at];
        let pools = server.table.set_pools(vlan.take_pools());
        let config = server.config.replace(vlan);
        self.places = Places::of(&self.servers);
        Retired { _config: config, _pools: pools }
    }

    /// Serves a VLAN no longer; its leases are remembered until they end.
    pub fn withdraw(&mut self, vlan: VlanId) -> Retired {
        let at = self.server(vlan);
        let config = self.servers[at].config.take();
        self.places = Places::of(&self.servers);
        Retired { _config: config, _pools: Vec::new() }
    }

    /// Tells machines that boot of these loaders from now on; gives back what that replaces.
    pub fn apply_boot(&mut self, boot: Option<Box<CompiledBoot>>) -> Option<Box<CompiledBoot>> {
        std::mem::replace(&mut self.boot, boot)
    }

    pub fn handle_datagram(&mut self, datagram: Datagram<'_>, now: Timestamp, out: &mut Outputs) {
        let Self { servers, places, revision, counters, joined, boot, awaited, .. } = self;
        let outcome = Request::decode(datagram.payload, joined).and_then(|request| {
            counters.count_received(request.kind());
            let place = places.find(servers, &datagram, &request).ok_or(Dropped::NoSubnet)?;
            let identifier = places.identifier(servers, &datagram, &request, place);
            let server = &mut servers[place.vlan];
            let ledger = &mut Ledger::new(now, revision, counters, out);
            server.expire(EXPIRED_PER_DATAGRAM, ledger);
            let identifier = identifier.ok_or(Dropped::NoServerAddress)?;
            let exchange = Exchange {
                server,
                ledger,
                datagram: &datagram,
                request: &request,
                subnet: place.subnet,
                identifier,
                boot: boot.as_deref(),
                awaited,
            };
            exchange.run()
        });
        if let Err(reason) = outcome {
            counters.count_dropped(reason);
        }
    }

    /// Ends a lease as if its client had released it; a declined address is free again.
    pub fn release(
        &mut self,
        vlan: VlanId,
        address: Ipv4Addr,
        now: Timestamp,
        out: &mut Outputs,
    ) -> Result<(), ReleaseError> {
        let Self { servers, revision, counters, .. } = self;
        let server = servers.iter_mut().find(|server| server.vlan == vlan);
        let server = server.ok_or(ReleaseError::UnknownVlan)?;
        let released = server.release(address, &mut Ledger::new(now, revision, counters, out));
        released.then_some(()).ok_or(ReleaseError::NoLease)
    }

    /// Ends what has ended.
    pub fn handle_timeout(&mut self, now: Timestamp, out: &mut Outputs) {
        let Self { servers, revision, counters, .. } = self;
        let ledger = &mut Ledger::new(now, revision, counters, out);
        let mut left = false;
        for server in servers {
            left |= server.expire(EXPIRED_PER_TIMEOUT, ledger);
        }
        self.swept = (!left).then_some(seconds(now));
    }

    /// When `handle_timeout` wants to be called: each second while there is anything that ends.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let waiting = self.servers.iter().any(|server| server.table.counts().total() > 0);
        let next = self.swept.map_or(0, |swept| i64::from(swept) + 1);
        waiting.then_some(Timestamp::from_seconds(next))
    }

    /// Appends at most `limit` leases to a frame that was begun. A snapshot need not be of one moment: what changes while it is taken is in the log after its start,
    /// and of two records of one lease the higher revision counts.
    pub fn snapshot(&self, from: Position, limit: u32, frame: &mut Vec<u8>) -> Page {
        let mut records = 0;
        for (at, server) in self.servers.iter().enumerate().skip(from.server) {
            let first = if at == from.server { from.slot } else { 0 };
            for (slot, lease) in server.table.leases_from(first) {
                if records == limit {
                    return Page { records, next: Some(Position { server: at, slot }) };
                }
                // one that no record tells of was never more than an offer
                if lease.revision > 0 {
                    record::write(frame, server.vlan, lease);
                    records += 1;
                }
            }
        }
        Page { records, next: None }
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The number of the latest record.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Of each VLAN that is configured, in the order in which they were first heard of.
    pub fn utilisation(&self) -> impl Iterator<Item = (VlanId, Utilisation)> {
        let configured = self.servers.iter().filter(|server| server.config.is_some());
        configured.map(|server| (server.vlan, server.table.utilisation()))
    }

    fn server(&mut self, vlan: VlanId) -> usize {
        let known = self.servers.iter().position(|server| server.vlan == vlan);
        known.unwrap_or_else(|| {
            self.servers.push(Server::new(vlan, self.seed));
            self.servers.len() - 1
        })
    }
}
