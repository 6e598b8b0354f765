//! Any bytes as a lease log: read to the first frame that is not whole, loaded, and written again. Checksums are made right first, or nothing would get past them.
#![no_main]

use engine::{
    dhcp::{Position, Servers},
    lease::record,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = record::read_frame(bytes);
    let mut log = Vec::new();
    record::begin(&mut log);
    log.extend_from_slice(bytes);
    record::seal(&mut log, 1, 1);
    let frame = record::read_frame(&log).expect("it was just sealed");
    let mut servers = Servers::new(1);
    for record in frame.records().flatten() {
        servers.load(&record);
        let _ = record.to_fact();
    }
    let mut snapshot = Vec::new();
    record::begin(&mut snapshot);
    let page = servers.snapshot(Position::default(), u32::MAX, &mut snapshot);
    record::seal(&mut snapshot, 1, page.records);
    let frame = record::read_frame(&snapshot).expect("what was written can be read");
    assert_eq!(frame.records().filter(Result::is_ok).count(), page.records as usize);
});
