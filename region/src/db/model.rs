//! Loads the network as it is meant to be.

use common::Id;
use plan::{
    Range, Reservation, Subnet, Vlan,
    model::{NetworkModel, SubnetModel, VlanModel},
};
use std::collections::BTreeMap;

use super::{
    Conn, DbError,
    stored::{Query, Saved, Stored},
};

/// Every VLAN, in one consistent view when the transaction is one.
pub fn load(conn: &mut Conn) -> Result<NetworkModel, DbError> {
    let mut ranges = grouped(Range::load(conn, Query::all(Vec::new()))?, |range| range.subnet);
    let reservations = Reservation::load(conn, Query::all(Vec::new()))?;
    let mut reservations = grouped(reservations, |reservation| reservation.subnet);
    let mut subnets: BTreeMap<Id<Vlan>, Vec<SubnetModel>> = BTreeMap::new();
    for saved in Subnet::load(conn, Query::all(Vec::new()))? {
        let mut reservations = reservations.remove(&saved.id).unwrap_or_default();
        reservations.sort_by_key(|reservation| reservation.address);
        subnets.entry(saved.value.vlan).or_default().push(SubnetModel {
            id: saved.id.cast(),
            ranges: ranges.remove(&saved.id).unwrap_or_default(),
            reservations,
            subnet: saved.value,
        });
    }
    let vlans = Vlan::load(conn, Query::all(Vec::new()))?.into_iter().map(|saved| VlanModel {
        id: saved.id.cast(),
        key: saved.key,
        subnets: subnets.remove(&saved.id).unwrap_or_default(),
        vlan: saved.value,
    });
    Ok(NetworkModel { vlans: vlans.collect() })
}

fn grouped<R>(
    all: Vec<Saved<R>>,
    subnet: impl Fn(&R) -> Id<Subnet>,
) -> BTreeMap<Id<Subnet>, Vec<R>> {
    let mut by_subnet: BTreeMap<Id<Subnet>, Vec<R>> = BTreeMap::new();
    for saved in all {
        by_subnet.entry(subnet(&saved.value)).or_default().push(saved.value);
    }
    by_subnet
}
