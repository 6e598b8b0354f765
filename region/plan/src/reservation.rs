use common::{Id, MacAddr, Name, Objection, rack_config::ClientMatch};
use std::net::{IpAddr, Ipv4Addr};

use crate::{
    Subnet,
    dhcp::{BootFile, Octets, OptionSetting, judge_next_server, judge_options, not_for_a_machine},
};

#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    pub subnet: Id<Subnet>,
    pub address: IpAddr,
    pub mac: Option<MacAddr>,
    pub client_id: Octets,
    pub host_name: Option<Name>,
    pub next_server: Option<Ipv4Addr>,
    pub boot_file: BootFile,
    pub options: Vec<OptionSetting>,
    pub note: String,
}

impl Reservation {
    /// None while it has not been judged and names no client, or two.
    pub fn client(&self) -> Option<ClientMatch> {
        match (self.mac, self.client_id.is_empty()) {
            (Some(mac), true) => Some(ClientMatch::Mac(mac)),
            (None, false) => Some(ClientMatch::Identifier(self.client_id.bytes().to_vec())),
            (Some(_), false) | (None, true) => None,
        }
    }
}

/// `siblings` are the subnet's other reservations.
pub fn judge(
    reservation: &Reservation,
    subnet: &Subnet,
    siblings: &[Reservation],
) -> Vec<Objection> {
    let mut objections = Vec::new();
    if let Some(rule) = not_for_a_machine(subnet.cidr, reservation.address) {
        objections.push(Objection::new("address", reservation.address, rule));
    }
    if subnet.gateway == Some(reservation.address) {
        let rule = "is the gateway's own";
        objections.push(Objection::new("address", reservation.address, rule));
    }
    if let IpAddr::V6(address) = reservation.address {
        let rule = "must be an IPv4 address: DHCP gives no other";
        objections.push(Objection::new("address", address, rule));
    }
    match (reservation.mac, reservation.client_id.is_empty()) {
        (None, true) => {
            let rule = "must be given, or client_id: a reservation is for one client";
            objections.push(Objection::new("mac", "", rule));
        }
        (Some(_), false) => {
            let rule = "must be empty where mac is given: a reservation is for one client";
            objections.push(Objection::new("client_id", &reservation.client_id, rule));
        }
        (Some(_), true) | (None, false) => {}
    }
    judge_siblings(reservation, siblings, &mut objections);
    judge_next_server(reservation.next_server, &mut objections);
    judge_options(&reservation.options, &mut objections);
    objections
}

fn judge_siblings(own: &Reservation, siblings: &[Reservation], objections: &mut Vec<Objection>) {
    for sibling in siblings {
        if sibling.address == own.address {
            objections.push(Objection::new("address", own.address, "is reserved already"));
        }
        if own.client().is_some() && sibling.client() == own.client() {
            let rule = format!("has {} reserved in the same subnet", sibling.address);
            objections.push(match own.mac {
                Some(mac) => Objection::new("mac", mac, rule),
                None => Objection::new("client_id", &own.client_id, rule),
            });
        }
    }
}
