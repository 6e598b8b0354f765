//! Any packets, one after the other, against one server. Each is two bytes of length, one that says how it came, and itself; the tests' captures make a good
//! first corpus: `cargo +nightly fuzz run datagrams corpus/datagrams`.
#![no_main]

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use common::{
    IpRange, Lifetime, MacAddr, SubnetId, Timestamp, VlanId,
    dhcp_options::OptionValue,
    rack_config::{ClientMatch, DhcpSubnet, DhcpVlan, Reservation, Role},
};
use engine::{
    dhcp::{CompiledVlan, Servers},
    lease::record,
    output::{Datagram, Link, Outputs},
};
use libfuzzer_sys::fuzz_target;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fuzz_target!(|bytes: &[u8]| {
    let (mut servers, mut out) = (Servers::new(1), Outputs::default());
    servers.apply_config(vlan());
    let (mut now, mut rest) = (Timestamp::from_seconds(1000), bytes);
    while let [high, low, way, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (payload, after) = after.split_at(length);
        out.begin();
        let datagram = Datagram {
            link: Link((way & 1).into()),
            source: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 68),
            local: (way & 2 != 0).then_some(SERVER),
            payload,
        };
        servers.handle_datagram(datagram, now, &mut out);
        now = now.shifted(i64::from(way >> 2) * 1_000_000);
        servers.handle_timeout(now, &mut out);
        record::seal(&mut out.log, 1, out.records);
        let frame = record::read_frame(&out.log).expect("what was written can be read");
        assert_eq!(frame.records().filter(Result::is_ok).count(), out.records as usize);
        assert!(out.late.is_empty() || out.records > 0, "an ACK without a record");
        for send in out.early.iter().chain(&out.late) {
            assert!((300..=1472).contains(&out.payload(send).len()));
        }
        rest = after;
    }
});

fn vlan() -> CompiledVlan {
    let range = IpRange::new([10, 0, 0, 10].into(), [10, 0, 0, 14].into()).expect("a range");
    let reservation = Reservation {
        address: Ipv4Addr::new(10, 0, 0, 50),
        client: ClientMatch::Mac(MacAddr::new([2, 0, 0, 0, 0, 1])),
        host_name: None,
        options: Default::default(),
        next_server: None,
        boot_file: "own".into(),
    };
    let subnet = DhcpSubnet {
        id: SubnetId::new(uuid::Uuid::nil()),
        prefix: "10.0.0.0/24".parse().expect("a prefix"),
        dynamic: [range].into_iter().collect(),
        reservations: vec![reservation],
        lease: Lifetime::DEFAULT,
        options: [(3, OptionValue::Addresses(vec![SERVER; 60]))].into_iter().collect(),
        next_server: Some(SERVER),
        boot_file: "file".into(),
        disabled_boot: BTreeSet::new(),
    };
    let id = VlanId::new(uuid::Uuid::nil());
    let vlan = DhcpVlan::new(id, "fuzz".into(), Role::Primary, vec![subnet]).expect("valid");
    CompiledVlan::compile(&vlan, &[(Link(0), vec![SERVER])])
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
}
