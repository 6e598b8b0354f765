//! Whatever a machine says of itself, its script has the lines that its profile has, and no more.
#![no_main]

use common::{MacAddr, rack_config::boot::Architecture};
use engine::boot::script::{self, Asker};
use hostler_engine_fuzz::{BOOT, SERVER};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fuzz_target!(|bytes: &[u8]| {
    let [who, how, serial @ ..] = bytes else { return };
    let serial = String::from_utf8_lossy(serial);
    let asker = |serial| Asker {
        mac: (how & 1 == 0).then_some(MacAddr::new([2, 0, 0, 0, 0, *who])),
        uuid: (how & 2 == 0).then_some(Uuid::from_u128((*who).into())),
        serial,
        architecture: Architecture::ALL.get(usize::from(how >> 2)).copied(),
        address: [10, 0, 0, 9].into(),
        server: SERVER.into(),
        url: "http://10.0.0.1:7280/boot",
    };
    for made in [script::ipxe, script::grub] {
        let (own, plain) = (made(&BOOT, &asker(&serial)), made(&BOOT, &asker("S1")));
        assert_eq!(own.lines().count(), plain.lines().count(), "{own}");
        assert!(own.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{own:?}");
        let marks = |text: &str| text.matches(['$', '`', ';', '&', '|', '"', '\'', '\\']).count();
        assert_eq!(marks(&own), marks(&plain), "{own}");
    }
});
