//! The network as it is meant to be: one consistent snapshot of what somebody asks about, never more.

use common::{
    Id, SubnetId, VlanId,
    rack_config::boot::{BootFile, BootPath},
};

use crate::{BootDefault, BootProfile, Interface, Machine, Range, Reservation, Subnet, Vlan};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkModel {
    pub vlans: Vec<VlanModel>,
    pub boot: BootModel,
}

/// What machines are there and what they boot; all lists by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BootModel {
    pub files: Vec<(BootPath, BootFile)>,
    pub profiles: Vec<(Id<BootProfile>, BootProfile)>,
    pub default: Option<BootDefault>,
    pub machines: Vec<(Id<Machine>, Machine)>,
    pub interfaces: Vec<Interface>,
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
