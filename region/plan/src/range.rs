use common::{Id, IpRange, Objection};
use std::net::IpAddr;

use crate::{Subnet, dhcp::not_for_a_machine};

#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    pub subnet: Id<Subnet>,
    pub first: IpAddr,
    pub last: IpAddr,
    pub dynamic: bool,
    pub note: String,
}

impl Range {
    /// None while it has not been judged and is none.
    pub fn addresses(&self) -> Option<IpRange> {
        IpRange::new(self.first, self.last).ok()
    }
}

/// `siblings` are the subnet's other ranges.
pub fn judge(range: &Range, subnet: &Subnet, siblings: &[IpRange]) -> Vec<Objection> {
    let mut objections = Vec::new();
    for (field, address) in [("first", range.first), ("last", range.last)] {
        if let Some(rule) = not_for_a_machine(subnet.cidr, address) {
            objections.push(Objection::new(field, address, rule));
        }
    }
    let addresses = match IpRange::new(range.first, range.last) {
        Ok(addresses) => addresses,
        Err(refusal) => {
            objections.push(Objection::new("last", range.last, refusal.0));
            return objections;
        }
    };
    for sibling in siblings.iter().filter(|sibling| sibling.overlaps(addresses)) {
        let rule = format!("overlaps {sibling} of the same subnet");
        objections.push(Objection::new("first", addresses, rule));
    }
    if range.dynamic {
        if !range.first.is_ipv4() {
            let rule = "must be off: DHCP gives IPv4 addresses only";
            objections.push(Objection::new("dynamic", true, rule));
        }
        if let Some(gateway) = subnet.gateway.filter(|gateway| addresses.contains(*gateway)) {
            let rule = format!("contains the gateway {gateway}, which nobody else may have");
            objections.push(Objection::new("first", addresses, rule));
        }
    }
    objections
}
