//! Reservations, several subnets, relays, and configurations that change under leases.

#[cfg(test)]
mod support;

use common::{
    dhcp_options::OptionValue,
    rack_config::{DhcpVlan, Role},
};
use engine::dhcp::CompiledVlan;
use support::{check, config, vlan};

const LAN: &str = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.12";

#[test]
fn a_reservation_comes_first() {
    let reserved = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.12 \
        reserve=10.0.0.11@1,name=one reserve=10.0.0.50@id:ff07";
    check(
        &[reserved],
        &[
            (
                "discover 1 requested=10.0.0.12 want=12 show=12",
                "offer 10.0.0.11 frame:10.0.0.11 12=6f6e65",
            ),
            (
                "request 1 requested=10.0.0.11 server=10.0.0.1",
                "ack 10.0.0.11 frame:10.0.0.11 +bound 10.0.0.11 600",
            ),
            // firmware and system show different identifiers, but it is one machine
            ("discover 1 id=aa01", "offer 10.0.0.11 frame:10.0.0.11"),
            (
                "request 1 id=aa01 requested=10.0.0.11 server=10.0.0.1",
                "ack 10.0.0.11 frame:10.0.0.11 +bound 10.0.0.11 600",
            ),
            // unknown, but known by its reservation
            (
                "request 3 id=ff07 requested=10.0.0.50",
                "ack 10.0.0.50 frame:10.0.0.50 +bound 10.0.0.50 600",
            ),
            // nobody else gets either
            ("request 2 requested=10.0.0.11", "nak broadcast"),
            ("request 2 ciaddr=10.0.0.50", "nak broadcast"),
            ("discover 2 requested=10.0.0.11", "offer 10.0.0.10 frame:10.0.0.10"),
            ("discover 4", "offer 10.0.0.12 frame:10.0.0.12"),
            ("discover 5", ""),
        ],
    );
}

#[test]
fn a_reservation_moves_its_client_and_ends_the_stay_of_another() {
    let after = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.12 reserve=10.0.0.11@1";
    check(
        &[LAN],
        &[
            ("request 1 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            ("request 2 ciaddr=10.0.0.11", "ack 10.0.0.11 10.0.0.11:68 +bound 10.0.0.11 600"),
            (&format!("config {after}"), ""),
            // its address is still another's: it keeps what it has
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            ("request 1 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            // the other is not renewed
            ("request 2 ciaddr=10.0.0.11", "nak broadcast"),
            ("discover 2", "offer 10.0.0.12 frame:10.0.0.12"),
            (
                "request 2 requested=10.0.0.12 server=10.0.0.1",
                "ack 10.0.0.12 frame:10.0.0.12 +bound 10.0.0.12 600 +released 10.0.0.11 0",
            ),
            // now it is free
            ("request 1 ciaddr=10.0.0.10", "nak broadcast"),
            ("discover 1", "offer 10.0.0.11 frame:10.0.0.11"),
            (
                "request 1 requested=10.0.0.11 server=10.0.0.1",
                "ack 10.0.0.11 frame:10.0.0.11 +bound 10.0.0.11 600 +released 10.0.0.10 0",
            ),
        ],
    );
}

#[test]
fn leases_outlive_their_range_but_not_their_subnet() {
    check(
        &[LAN],
        &[
            ("request 1 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            ("config 1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.20-10.0.0.21", ""),
            ("request 1 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            ("config 1 on 0:10.0.1.1 / 10.0.1.0/24 range=10.0.1.20-10.0.1.21", ""),
            ("request 1 ciaddr=10.0.0.10", "nak broadcast"),
            ("wait 600", "+expired 10.0.0.10 0"),
            ("discover 1 requested=10.0.0.10", "offer 10.0.1.20 frame:10.0.1.20"),
        ],
    );
}

#[test]
fn a_changed_range_finds_again_what_is_free() {
    check(
        &[LAN],
        &[
            ("request 1 ciaddr=10.0.0.12", "ack 10.0.0.12 10.0.0.12:68 +bound 10.0.0.12 600"),
            ("request 2 ciaddr=10.0.0.11", "ack 10.0.0.11 10.0.0.11:68 +bound 10.0.0.11 600"),
            ("release 2 ciaddr=10.0.0.11", "+released 10.0.0.11 0"),
            ("config 1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.11-10.0.0.13 lease=60", ""),
            ("discover 2", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 3", "offer 10.0.0.13 frame:10.0.0.13"),
            ("discover 4", ""),
            // the new lease time, at its renewal
            ("request 1 ciaddr=10.0.0.12", "ack 10.0.0.12 10.0.0.12:68 +bound 10.0.0.12 60"),
        ],
    );
}

#[test]
fn a_withdrawn_vlan_is_silent_and_remembers() {
    check(
        &[LAN],
        &[
            ("request 1 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            ("withdraw 1", ""),
            ("discover 1", ""),
            (&format!("config {LAN}"), ""),
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
        ],
    );
}

#[test]
fn the_free_address_that_is_unused_longest_goes_first() {
    check(
        &[LAN],
        &[
            ("request 1 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            ("request 2 ciaddr=10.0.0.11", "ack 10.0.0.11 10.0.0.11:68 +bound 10.0.0.11 600"),
            ("release 2 ciaddr=10.0.0.11", "+released 10.0.0.11 0"),
            ("wait 1", ""),
            ("release 1 ciaddr=10.0.0.10", "+released 10.0.0.10 0"),
            // one that nobody had, then by how long they are free
            ("discover 7", "offer 10.0.0.12 frame:10.0.0.12"),
            ("discover 8", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 9", "offer 10.0.0.10 frame:10.0.0.10"),
        ],
    );
}

#[test]
fn subnets_of_a_vlan_share_its_network() {
    let two = "1 on 0:10.0.1.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.10 / 10.0.1.0/24 range=10.0.1.10-10.0.1.10";
    check(
        &[two],
        &[
            // the interface's own first, the other when that is full
            ("discover 1 want=1 show=1", "offer 10.0.1.10 frame:10.0.1.10 1=ffffff00"),
            ("discover 2 show=54", "offer 10.0.0.10 frame:10.0.0.10 54=0a000101"),
            (
                "request 2 requested=10.0.0.10 server=10.0.1.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            ("request 2 ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            ("discover 3", ""),
            // a client may name one (RFC 3011)
            ("wait 60", ""),
            ("discover 3 subnet=10.0.0.0", "offer 10.0.1.10 frame:10.0.1.10"),
            ("discover 4 subnet=10.9.0.0", ""),
        ],
    );
}

#[test]
fn a_relay_says_where_its_clients_are() {
    let far =
        "2 on - / 10.2.0.0/24 range=10.2.0.10-10.2.0.12 / 10.3.0.0/24 range=10.3.0.10-10.3.0.12";
    check(
        &[LAN, far],
        &[
            ("discover 1 giaddr=10.2.0.1 show=54", "offer 10.2.0.10 10.2.0.1:67 54=0a000001"),
            (
                "request 1 giaddr=10.2.0.1 requested=10.2.0.10 server=10.0.0.1",
                "ack 10.2.0.10 10.2.0.1:67 +bound 10.2.0.10 600",
            ),
            // through another interface of the rack
            (
                "discover 2 giaddr=10.3.0.1 link=7 local=10.9.9.9 show=54",
                "offer 10.3.0.10 10.3.0.1:67 54=0a090909",
            ),
            // link selection before giaddr (RFC 3527); option 82 comes back as it is
            ("discover 3 giaddr=10.0.0.99 selection=10.3.0.0", "offer 10.3.0.11 10.0.0.99:67"),
            ("discover 4 giaddr=10.0.0.99 subnet=10.3.0.0", "offer 10.3.0.12 10.0.0.99:67"),
            ("discover 5 giaddr=10.2.0.1 82=0105aabbccddee0a", "offer 10.2.0.11 10.2.0.1:67"),
            ("discover 5 giaddr=10.77.0.1", ""),
            ("discover 5 giaddr=10.2.0.1 selection=10.77.0.0", ""),
            // a NAK goes by the relay, which has to broadcast it
            ("request 6 giaddr=10.2.0.1 requested=10.7.0.1", "nak 10.2.0.1:67"),
            // renewing, routed and without the relay
            (
                "request 1 ciaddr=10.2.0.10 source=10.2.0.10 local=10.0.0.1",
                "ack 10.2.0.10 10.2.0.10:68 +bound 10.2.0.10 600",
            ),
            // the same by broadcast: the client is on another network now
            ("request 1 ciaddr=10.2.0.10 source=10.2.0.10", "nak broadcast"),
            // a client speaks for no network but its own
            ("discover 7 subnet=10.2.0.0", ""),
        ],
    );
}

#[test]
fn a_link_that_is_in_no_vlan_is_not_served() {
    check(&[LAN], &[("discover 1 link=9", ""), ("discover 1 link=9 local=10.0.0.1", "")]);
}

#[test]
fn what_cannot_be_encoded_is_an_objection() {
    let mut subnet = config::subnet("10.0.0.0/24");
    subnet.options.insert(3, OptionValue::Flag(true));
    subnet.options.insert(253, OptionValue::Flag(true));
    subnet.options.insert(119, OptionValue::Domains(vec!["not a name!..".into()]));
    let vlan = DhcpVlan::new(vlan(1), "x".into(), Role::Primary, vec![subnet]).unwrap();
    let objections = CompiledVlan::compile(&vlan, &[]).err().unwrap();
    let told: Vec<_> = objections.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "subnets[0].options.routers: \"true\" is not of the kind that this option has",
            "subnets[0].options.domain-search: \"not a name!..\" is no domain name",
            "subnets[0].options.253: \"true\" is no option of the catalogue",
        ]
    );
}
