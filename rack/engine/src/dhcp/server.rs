//! One VLAN: its configuration and its leases.

use std::net::Ipv4Addr;

use common::{Lifetime, Timestamp, VlanId};

use super::{compiled::CompiledVlan, counters::Counters};
use crate::{
    lease::{
        Slot, record,
        state::{self, Event, State},
        table::{Table, seconds},
    },
    output::Outputs,
};

pub(crate) struct Server {
    pub(crate) vlan: VlanId,
    /// None while its leases are known and its configuration is not.
    pub(crate) config: Option<CompiledVlan>,
    pub(crate) table: Table,
}

impl Server {
    pub(crate) fn new(vlan: VlanId, seed: u64) -> Self {
        Self { vlan, config: None, table: Table::new(seed) }
    }

    pub(crate) fn config(&self) -> Option<&CompiledVlan> {
        self.config.as_ref()
    }

    /// Ends what has ended, at most `limit` leases; whether there may be more.
    pub(crate) fn expire(&mut self, limit: u32, ledger: &mut Ledger<'_>) -> bool {
        for _ in 0..limit {
            let Some(slot) = self.table.next_due(ledger.now) else { return false };
            let (state, ends) = (self.table.lease(slot).state, self.table.lease(slot).ends);
            ledger.counters.expired += u64::from(state == State::Bound);
            self.change(slot, Event::TimeOut, ends, ledger);
        }
        true
    }

    /// As if its client had released it.
    pub(crate) fn release(&mut self, address: Ipv4Addr, ledger: &mut Ledger<'_>) -> bool {
        let slot = self.table.at(address);
        slot.is_some_and(|slot| self.change(slot, Event::Release, ledger.now, ledger))
    }

    /// Moves a lease on, and records that if it has to be known. False if the event means nothing to it.
    pub(crate) fn change(
        &mut self,
        slot: Slot,
        event: Event,
        ends: u32,
        ledger: &mut Ledger<'_>,
    ) -> bool {
        let Some(change) = self.table.apply(slot, event, ledger.now, ends) else { return false };
        if state::is_recorded(change.from, change.to) {
            ledger.record(self.vlan, &mut self.table, slot);
        }
        let outside = !self.table.is_dynamic(self.table.lease(slot).address());
        // an address that nobody is given freely needs no memory of who had it last
        if change.to.is_ended() && outside && self.config.is_some() {
            self.table.remove(slot);
        }
        true
    }
}

/// Where changes are written down.
pub(crate) struct Ledger<'a> {
    /// Rounded down to the second.
    pub(crate) now: u32,
    /// The part of a second that this leaves out makes leases end late, never early.
    pub(crate) rounded: bool,
    pub(crate) revision: &'a mut u64,
    pub(crate) counters: &'a mut Counters,
    pub(crate) out: &'a mut Outputs,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(
        now: Timestamp,
        revision: &'a mut u64,
        counters: &'a mut Counters,
        out: &'a mut Outputs,
    ) -> Self {
        let rounded = now > Timestamp::from_seconds(now.seconds());
        Self { now: seconds(now), rounded, revision, counters, out }
    }

    /// When a lease that is given now ends.
    pub(crate) fn until(&self, lifetime: Lifetime) -> u32 {
        self.now.saturating_add(lifetime.seconds()).saturating_add(self.rounded.into())
    }

    fn record(&mut self, vlan: VlanId, table: &mut Table, slot: Slot) {
        *self.revision += 1;
        table.set_revision(slot, *self.revision);
        record::write(&mut self.out.log, vlan, table.lease(slot));
        self.out.records += 1;
        self.out.revision = *self.revision;
    }
}
