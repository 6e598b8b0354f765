//! Any packets, one after the other, against one server with boot files, and the trace that follows them. Each is two bytes of length, one that says how it
//! came, and itself; `examples/seeds.rs` makes the first ones of the tests' captures.
#![no_main]

use std::net::SocketAddrV4;

use common::Timestamp;
use engine::{
    boot::trace::{Fetch, FetchStep, Identity, Trace},
    dhcp::Servers,
    lease::record,
    output::{Datagram, Link, Outputs},
};
use hostler_engine_fuzz::{BOOT, SERVER, beside, compiled_boot, vlan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut servers, mut out) = (Servers::new(1), Outputs::default());
    servers.apply_config(vlan());
    servers.apply_config(beside());
    servers.apply_boot(Some(Box::new(compiled_boot())));
    let mut trace = Trace::new(1);
    let (mut now, mut rest) = (Timestamp::from_seconds(1000), bytes);
    while let [high, low, way, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (payload, after) = after.split_at(length);
        out.begin();
        let datagram = Datagram {
            link: Link((way & 1).into()),
            source: SocketAddrV4::new([10, 0, 0, 9].into(), 68),
            local: (way & 2 != 0).then_some(SERVER),
            payload,
        };
        servers.handle_datagram(datagram, now, &mut out);
        now = now.shifted(i64::from(way >> 3) * 2_000_000);
        servers.handle_timeout(now, &mut out);
        record::seal(&mut out.log, 1, out.records);
        let frame = record::read_frame(&out.log).expect("what was written can be read");
        assert_eq!(frame.records().filter(Result::is_ok).count(), out.records as usize);
        assert!(out.late.is_empty() || out.records > 0, "an ACK without a record");
        for send in out.early.iter().chain(&out.late) {
            assert!((300..=1472).contains(&out.payload(send).len()));
        }
        for sighting in &out.sightings {
            trace.handle_sighting(sighting, Some(&BOOT), now);
        }
        if way & 4 != 0 {
            trace.handle_fetch(&fetch(payload), Some(&BOOT), now);
        }
        trace.handle_timeout(Some(&BOOT), now);
        for attempt in trace.take_changed() {
            assert!(attempt.stages.len() <= 64 && attempt.serial.len() <= 128, "{attempt:?}");
        }
        rest = after;
    }
});

/// A transfer's step, by the packet's first bytes.
fn fetch(payload: &[u8]) -> Fetch<'_> {
    let byte = |at: usize| payload.get(at).copied().unwrap_or_default();
    Fetch {
        transfer: u64::from(byte(0) & 3),
        peer: [10, 0, 0, 10 + (byte(1) & 7)].into(),
        told: Identity::default(),
        path: ["undionly.kpxe", "script", "linux", "unknown"][usize::from(byte(2) & 3)],
        step: match byte(3) & 7 {
            0 => FetchStep::Started,
            1 => FetchStep::Probed,
            2 => FetchStep::Bytes(u64::from(byte(4)) << 56),
            3 => FetchStep::Done(u64::from(byte(4))),
            _ => FetchStep::Failed(u64::from(byte(4)), "no answer"),
        },
    }
}
