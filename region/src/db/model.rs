//! Loads the network as it is meant to be.

use common::{Id, rack_config::boot};
use plan::{
    BootDefault, BootFile, BootProfile, Interface, Machine, Range, Reservation, Subnet, Vlan,
    model::{BootModel, NetworkModel, SubnetModel, VlanModel},
};
use std::{collections::BTreeMap, vec::IntoIter};

use super::{
    Conn, DbError,
    stored::{Query, Saved, Stored},
};

/// Every VLAN, in one consistent view when the transaction is one.
pub fn load(conn: &mut Conn) -> Result<NetworkModel, DbError> {
    let mut ranges = grouped(all(conn)?, |range: &Range| range.subnet);
    let mut reservations = grouped(all(conn)?, |own: &Reservation| own.subnet);
    let mut subnets: BTreeMap<Id<Vlan>, Vec<SubnetModel>> = BTreeMap::new();
    for saved in all::<Subnet>(conn)? {
        let mut reservations = reservations.remove(&saved.id).unwrap_or_default();
        reservations.sort_by_key(|reservation| reservation.address);
        subnets.entry(saved.value.vlan).or_default().push(SubnetModel {
            id: saved.id.cast(),
            ranges: ranges.remove(&saved.id).unwrap_or_default(),
            reservations,
            subnet: saved.value,
        });
    }
    let vlans = all::<Vlan>(conn)?.map(|saved| VlanModel {
        id: saved.id.cast(),
        key: saved.key,
        subnets: subnets.remove(&saved.id).unwrap_or_default(),
        vlan: saved.value,
    });
    Ok(NetworkModel { vlans: vlans.collect(), boot: load_boot(conn)? })
}

fn load_boot(conn: &mut Conn) -> Result<BootModel, DbError> {
    let file = |saved: Saved<BootFile>| {
        let content =
            boot::BootFile { digest: *saved.value.sha256.bytes(), size: saved.value.size.bytes() };
        (saved.value.path, content)
    };
    Ok(BootModel {
        files: all::<BootFile>(conn)?.map(file).collect(),
        profiles: all::<BootProfile>(conn)?.map(|saved| (saved.id, saved.value)).collect(),
        default: all::<BootDefault>(conn)?.map(|saved| saved.value).next(),
        machines: all::<Machine>(conn)?.map(|saved| (saved.id, saved.value)).collect(),
        interfaces: all::<Interface>(conn)?.map(|saved| saved.value).collect(),
    })
}

fn all<R: Stored>(conn: &mut Conn) -> Result<IntoIter<Saved<R>>, DbError> {
    Ok(R::load(conn, Query::all(Vec::new()))?.into_iter())
}

fn grouped<R>(
    all: IntoIter<Saved<R>>,
    subnet: impl Fn(&R) -> Id<Subnet>,
) -> BTreeMap<Id<Subnet>, Vec<R>> {
    let mut by_subnet: BTreeMap<Id<Subnet>, Vec<R>> = BTreeMap::new();
    for saved in all {
        by_subnet.entry(subnet(&saved.value)).or_default().push(saved.value);
    }
    by_subnet
}
