use common::{Id, MacAddr, Timestamp, report::LeaseState};
use std::net::IpAddr;

use crate::{Rack, Subnet, Vlan, dhcp::Octets};

/// What a rack said last of one address. Region only mirrors it: the rack that gave it owns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    pub address: IpAddr,
    pub state: LeaseState,
    pub mac: Option<MacAddr>,
    pub client_id: Octets,
    pub host_name: String,
    pub vlan: Option<Id<Vlan>>,
    pub subnet: Option<Id<Subnet>>,
    pub rack: Option<Id<Rack>>,
    pub relay_information: Octets,
    pub started_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
}
