//! What a server answers and records, message by message (RFC 2131 section 4.3).

#[cfg(test)]
mod support;

use support::check;

const LAN: &str = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.12 routers=10.0.0.1";

#[test]
fn discover_offer_request_ack() {
    check(
        &[LAN],
        &[
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            // asked again: the same; the other clients: others, until none is left
            ("discover 1 broadcast", "offer 10.0.0.10 broadcast"),
            ("discover 2", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 2", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 3", "offer 10.0.0.12 frame:10.0.0.12"),
            ("discover 4", ""),
            // an offer is held for a minute
            ("wait 59", ""),
            ("discover 4", ""),
            ("wait 1", ""),
            ("discover 4", "offer 10.0.0.11 frame:10.0.0.11"),
        ],
    );
}

#[test]
fn a_client_that_takes_another_servers_offer_frees_ours() {
    check(
        &[LAN],
        &[
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            ("discover 2", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 3", "offer 10.0.0.12 frame:10.0.0.12"),
            ("request 1 requested=10.0.0.99 server=10.0.0.2", ""),
            ("discover 4", "offer 10.0.0.10 frame:10.0.0.10"),
        ],
    );
}

#[test]
fn renew_rebind_and_come_back() {
    check(
        &[LAN],
        &[
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            ("wait 300", ""),
            (
                "request 1 ciaddr=10.0.0.10 local=10.0.0.1",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
            ("wait 500", ""),
            (
                "request 1 ciaddr=10.0.0.10 source=10.0.0.10",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
            ("request 1 requested=10.0.0.10", "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600"),
            ("wait 599", ""),
            ("wait 1", "+expired 10.0.0.10 0"),
            // nobody has taken it
            (
                "request 1 ciaddr=10.0.0.10 local=10.0.0.1",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
        ],
    );
}

#[test]
fn init_reboot_is_answered_by_who_knows() {
    check(
        &[LAN],
        &[
            // never heard of: silence
            ("request 1 requested=10.0.0.10", ""),
            // wrong network: everybody knows
            ("request 1 requested=192.168.7.7", "nak broadcast"),
            ("discover 2 requested=10.0.0.11", "offer 10.0.0.11 frame:10.0.0.11"),
            (
                "request 2 requested=10.0.0.11 server=10.0.0.1",
                "ack 10.0.0.11 frame:10.0.0.11 +bound 10.0.0.11 600",
            ),
            // another's
            ("request 1 requested=10.0.0.11", "nak broadcast"),
            // not the one that it has
            ("request 2 requested=10.0.0.12", "nak broadcast"),
            // inside the network, outside the range
            ("request 1 requested=10.0.0.200", "nak broadcast"),
        ],
    );
}

#[test]
fn a_server_that_has_forgotten_its_offer_still_keeps_its_word() {
    check(
        &[LAN],
        &[
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            ("restart", ""),
            (&format!("config {LAN}"), ""),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            // a lease that a lost disk knew
            (
                "request 2 ciaddr=10.0.0.11 local=10.0.0.1",
                "ack 10.0.0.11 10.0.0.11:68 +bound 10.0.0.11 600",
            ),
            ("request 3 ciaddr=10.0.0.11 local=10.0.0.1", "nak broadcast"),
        ],
    );
}

#[test]
fn release_and_decline() {
    check(
        &[LAN],
        &[
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            // not theirs to give back
            ("release 2 ciaddr=10.0.0.10 server=10.0.0.1", ""),
            ("release 1 ciaddr=10.0.0.10 server=10.0.0.9", ""),
            ("decline 2 requested=10.0.0.10 server=10.0.0.1", ""),
            ("release 1 ciaddr=10.0.0.10 server=10.0.0.1", "+released 10.0.0.10 0"),
            ("release 1 ciaddr=10.0.0.10 server=10.0.0.1", ""),
            // it comes back to its address
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            ("decline 1 requested=10.0.0.10 server=10.0.0.1", "+declined 10.0.0.10 3600"),
            ("discover 1 requested=10.0.0.10", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 2", "offer 10.0.0.12 frame:10.0.0.12"),
            ("discover 3", ""),
            ("wait 3600", "+expired 10.0.0.10 0"),
            // the others were offered, and are unused longer
            ("discover 3 requested=10.0.0.10", "offer 10.0.0.10 frame:10.0.0.10"),
            ("discover 4", "offer 10.0.0.11 frame:10.0.0.11"),
        ],
    );
}

#[test]
fn an_operator_releases() {
    check(
        &[LAN],
        &[
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
            ("free 1 10.0.0.10", "that address has no lease"),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            ("free 2 10.0.0.10", "this rack has no leases of that VLAN"),
            ("free 1 10.0.0.11", "that address has no lease"),
            ("free 1 10.0.0.10", "+released 10.0.0.10 0"),
            ("free 1 10.0.0.10", "that address has no lease"),
            (
                "request 1 ciaddr=10.0.0.10 local=10.0.0.1",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
            ("decline 1 requested=10.0.0.10", "+declined 10.0.0.10 3600"),
            ("free 1 10.0.0.10", "+released 10.0.0.10 0"),
        ],
    );
}

#[test]
fn inform_is_told_options_and_given_nothing() {
    check(
        &[LAN],
        &[
            (
                "inform 1 ciaddr=10.0.0.77 source=10.0.0.77 want=1,3,51 show=1,3,51,54",
                "ack 10.0.0.77:68 1=ffffff00 3=0a000001 51= 54=0a000001",
            ),
            ("inform 1 source=10.0.0.78", "ack 10.0.0.78:68"),
            ("inform 1", ""),
            ("discover 1", "offer 10.0.0.10 frame:10.0.0.10"),
        ],
    );
}

#[test]
fn a_client_may_ask_for_less_time() {
    check(
        &[LAN],
        &[
            (
                "discover 1 lease=120 show=51,58,59",
                "offer 10.0.0.10 frame:10.0.0.10 51=00000078 58=0000003c 59=00000069",
            ),
            (
                "request 1 requested=10.0.0.10 server=10.0.0.1 lease=120",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 120",
            ),
            (
                "request 1 ciaddr=10.0.0.10 lease=4294967295",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
            (
                "request 1 ciaddr=10.0.0.10 lease=0",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 10",
            ),
            (
                "request 1 ciaddr=10.0.0.10 51=0102",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
        ],
    );
}

#[test]
fn a_client_is_its_identifier_else_its_hardware() {
    check(
        &[LAN],
        &[
            ("discover 1 id=ff01", "offer 10.0.0.10 frame:10.0.0.10"),
            ("discover 2 id=ff01", "offer 10.0.0.10 frame:10.0.0.10"),
            ("discover 1 id=ff02", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 1", "offer 10.0.0.12 frame:10.0.0.12"),
            // no Ethernet: no frame
            ("discover 1 hlen=0 id=ff01", "offer 10.0.0.10 broadcast"),
            ("discover 1 hlen=0", ""),
            ("discover 1 hlen=17", ""),
        ],
    );
}
