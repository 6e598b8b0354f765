//! Which address a client is offered.

use std::net::Ipv4Addr;

use super::{Client, Slot, state::State, table::Table};
use crate::dhcp::compiled::CompiledVlan;

/// Why a client was offered just this address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is reserved for the client.
    Reserved,
    /// The client has it, or had it and nobody has taken it since.
    Held,
    /// Its machine has it, or had it, as firmware, loader or system: one machine keeps one address through its boot.
    SameMachine,
    /// The client asked for it, and it was free.
    Requested,
    /// Nobody has had it.
    Fresh,
    /// Of the free ones it has been unused longest.
    LongestUnused,
}

impl Why {
    pub const ALL: [Self; 6] = [
        Self::Reserved,
        Self::Held,
        Self::SameMachine,
        Self::Requested,
        Self::Fresh,
        Self::LongestUnused,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Held => "held",
            Self::SameMachine => "same-machine",
            Self::Requested => "requested",
            Self::Fresh => "fresh",
            Self::LongestUnused => "longest-unused",
        }
    }
}

/// Who asks, and from where.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) client: Client<'a>,
    /// The subnet that its packet belongs to; the VLAN's others follow in their order.
    pub(crate) subnet: usize,
    pub(crate) requested: Option<Ipv4Addr>,
}

/// A reservation, else the lease that the client or its machine has or had, else what it asks for, else one that nobody ever had, else the one that is unused
/// longest. The subnets of a VLAN share one network: what the first cannot give the next may.
pub(crate) fn choose(
    vlan: &CompiledVlan,
    table: &Table,
    asking: Asking<'_>,
) -> Option<(Ipv4Addr, Why)> {
    reserved(vlan, table, &asking)
        .map(|address| (address, Why::Reserved))
        .or_else(|| held(vlan, table, &asking.client))
        .or_else(|| requested(table, &asking).map(|address| (address, Why::Requested)))
        .or_else(|| vlan.subnets_from(asking.subnet).find_map(|subnet| unused(table, subnet)))
}

/// Whether a client may keep, or get, this address.
pub(crate) fn may_have(
    vlan: &CompiledVlan,
    table: &Table,
    asking: &Asking<'_>,
    address: Ipv4Addr,
) -> bool {
    if !is_free_for(vlan, table, &asking.client, address) {
        return false;
    }
    match reserved(vlan, table, asking) {
        // a client with a reservation is moved to it
        Some(own) => own == address,
        None => is_open(vlan, table, address),
    }
}

/// Whether an address that is free for a client may be its own without a reservation: one of a range, or one that was of a range when the client got it.
fn is_open(vlan: &CompiledVlan, table: &Table, address: Ipv4Addr) -> bool {
    let goes_on = || {
        let state = table.at(address).map(|slot| table.lease(slot).state);
        state == Some(State::Bound) && vlan.subnet_of(address).is_some()
    };
    vlan.reservation_at(address).is_none() && (table.is_dynamic(address) || goes_on())
}

fn reserved(vlan: &CompiledVlan, table: &Table, asking: &Asking<'_>) -> Option<Ipv4Addr> {
    vlan.subnets_from(asking.subnet)
        .filter_map(|subnet| vlan.reservation_for(subnet, &asking.client))
        .map(|reservation| reservation.address)
        .find(|address| is_free_for(vlan, table, &asking.client, *address))
}

/// What goes on before what has ended, and under its own name before that of another stage of its boot.
fn held(vlan: &CompiledVlan, table: &Table, client: &Client<'_>) -> Option<(Ipv4Addr, Why)> {
    let goes_on = |slot: &Slot| !table.lease(*slot).state.is_ended();
    let open = |slot: Option<Slot>, why| {
        let address = table.lease(slot?).address();
        is_open(vlan, table, address).then_some((address, why))
    };
    let own = table.of_client(client);
    let other =
        if own.is_some_and(|own| goes_on(&own)) { None } else { table.of_other_stage(client) };
    open(own.filter(goes_on), Why::Held)
        .or_else(|| open(other.filter(goes_on), Why::SameMachine))
        .or_else(|| open(own, Why::Held))
        .or_else(|| open(other, Why::SameMachine))
}

fn requested(table: &Table, asking: &Asking<'_>) -> Option<Ipv4Addr> {
    let is_free = |address: &Ipv4Addr| {
        let lease = table.at(*address).map(|slot| table.lease(slot));
        table.is_dynamic(*address) && lease.is_none_or(|lease| lease.state.is_ended())
    };
    asking.requested.filter(is_free)
}

fn unused(table: &Table, subnet: usize) -> Option<(Ipv4Addr, Why)> {
    let pool = &table.pools()[subnet];
    let fresh = pool.fresh.first().map(|number| (pool.address(number), Why::Fresh));
    fresh.or_else(|| Some((table.lease(pool.ended.first()?).address(), Why::LongestUnused)))
}

/// Whether nobody else has it. A machine that shows another identifier than before (RFC 4361: firmware and system differ) still is the one that its
/// address is reserved for.
fn is_free_for(vlan: &CompiledVlan, table: &Table, client: &Client<'_>, address: Ipv4Addr) -> bool {
    let Some(slot) = table.at(address) else { return true };
    let lease = table.lease(slot);
    let same_machine = || {
        vlan.reservation_at(address).is_some_and(|reservation| {
            reservation.is_for(&lease.client()) && reservation.is_for(client)
        })
    };
    match lease.state {
        State::Released | State::Expired => true,
        State::Offered | State::Bound => {
            let holder = lease.client();
            holder.is(client) || holder.is_stage_of(client) || same_machine()
        }
        State::Declined => false,
    }
}
