//! The network as it is meant to be: one consistent snapshot of what somebody asks about, never more.

use common::{SubnetId, VlanId};

use crate::{Range, Reservation, Subnet, Vlan};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkModel {
    pub vlans: Vec<VlanModel>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VlanModel {
    pub id: VlanId,
    /// What people call it: dc1/10
    pub key: String,
    pub vlan: Vlan,
    /// By key.
    pub subnets: Vec<SubnetModel>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SubnetModel {
    pub id: SubnetId,
    pub subnet: Subnet,
    pub ranges: Vec<Range>,
    /// By address.
    pub reservations: Vec<Reservation>,
}
