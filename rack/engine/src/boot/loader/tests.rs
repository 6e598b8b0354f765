use super::*;
use common::{
    MacAddr, MachineId, Name,
    rack_config::{
        BootConfig, BootParts,
        boot::{BootFile, BootMachine, BootPath, BootProfile, BootTarget, Loaders},
    },
};
use uuid::Uuid;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const KNOWN: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// Features of real iPXE ROMs: with HTTP, and without.
const WITH_HTTP: &[u8] = &[0xb1, 5, 1, 0x80, 0x86, 0x10, 0x0e, 0x13, 1, 1, 0x11, 1, 1];
const WITHOUT: &[u8] = &[0xb1, 5, 1, 0x80, 0x86, 0x10, 0x0e, 0x11, 1, 1];

fn loaders(rows: &[(Architecture, &str)]) -> Loaders {
    rows.iter().map(|(architecture, path)| (*architecture, path.parse().unwrap())).collect()
}

/// Loaders for BIOS and 64 bit UEFI; the machine with `KNOWN` or UUID 7 has a UEFI loader of its own.
fn boot() -> CompiledBoot {
    let file = || BootFile { digest: Default::default(), size: 1 };
    let files = ["undionly.kpxe", "snponly.efi", "shimx64.efi"];
    let files = files.map(|path| (path.parse::<BootPath>().unwrap(), file()));
    let own = BootProfile {
        target: BootTarget::LocalDisk,
        loaders: loaders(&[(Architecture::UefiX64, "shimx64.efi")]),
    };
    let name = |text: &str| text.parse::<Name>().unwrap();
    let config = BootConfig::new(BootParts {
        files: files.into(),
        loaders: loaders(&[
            (Architecture::Bios, "undionly.kpxe"),
            (Architecture::UefiX64, "snponly.efi"),
        ]),
        profiles: [(name("own"), own)].into(),
        default_profile: None,
        machines: vec![BootMachine {
            id: MachineId::new(Uuid::nil()),
            name: name("n1"),
            macs: vec![MacAddr::new(KNOWN)],
            uuid: Some(Uuid::from_u128(7)),
            profile: Some(name("own")),
        }],
    });
    CompiledBoot::compile(&config.unwrap(), 7280)
}

fn told<'a>(class: &'a str, user: &'a str, architectures: &'a [u8], ipxe: &'a [u8]) -> Told<'a> {
    Told {
        vendor_class: class.as_bytes(),
        user_class: user.as_bytes(),
        architectures,
        machine: &[],
        ipxe,
    }
}

fn place() -> Place<'static> {
    Place {
        mac: Some(MAC),
        machine: &[],
        server: [10, 0, 0, 2].into(),
        own: Own { next_server: None, file: "" },
        disabled: false,
    }
}

#[test]
fn who_asks() {
    use BootClient::{Http, Ipxe, Onie, Pxe};
    let pxe = "PXEClient:Arch:00007:UNDI:003000";
    let rows = [
        (told("", "", &[], &[]), None),
        (told("udhcp 1.35", "", &[], &[]), None),
        (told("anaconda-Linux 5.1 x86_64", "", &[0, 7], &[]), None),
        (told(pxe, "", &[0, 7], &[]), Some((Pxe, Some(7)))),
        // by the class alone; and a ROM that says nothing of itself
        (told(pxe, "", &[], &[]), Some((Pxe, Some(7)))),
        (told("PXEClient", "", &[], &[]), Some((Pxe, None))),
        (told("PXEClient:Arch:xxxxx:UNDI", "", &[0], &[]), Some((Pxe, None))),
        // the first that is known of several
        (told(pxe, "", &[9, 9, 0, 11], &[]), Some((Pxe, Some(11)))),
        (told(pxe, "", &[9, 9], &[]), Some((Pxe, Some(0x0909)))),
        (told("HTTPClient:Arch:00016:UNDI:003000", "", &[0, 16], &[]), Some((Http, Some(16)))),
        (told(pxe, "iPXE", &[0, 0], WITH_HTTP), Some((Ipxe, Some(0)))),
        (told(pxe, "\u{4}iPXE", &[0, 0], &[]), Some((Ipxe, Some(0)))),
        (told(pxe, "\u{3}abc\u{4}iPXE", &[0, 0], &[]), Some((Ipxe, Some(0)))),
        (told(pxe, "iPXElike", &[0, 0], &[]), Some((Pxe, Some(0)))),
        (told(pxe, "", &[0, 0], WITH_HTTP), Some((Ipxe, Some(0)))),
        (told(pxe, "iPXE", &[0, 0], WITHOUT), Some((Pxe, Some(0)))),
        (told(pxe, "iPXE", &[0, 0], &[0x13, 9, 1]), Some((Pxe, Some(0)))),
        (told("onie_vendor:x86_64-acme_s1-r0", "", &[], &[]), Some((Onie, None))),
        (told("", "onie_dhcp_user_class", &[], &[]), Some((Onie, None))),
    ];
    for (told, expected) in rows {
        let found = told.booting().map(|booting| (booting.client, booting.code));
        assert_eq!(found, expected, "{told:?}");
    }
}

/// What firmware and what an operator say, and which server and file is told.
type Row = (Told<'static>, Own<'static>, Option<&'static str>);

const NONE: Own<'static> = own(None, "");
const SEVEN: Option<Ipv4Addr> = Some(Ipv4Addr::new(10, 0, 0, 7));

const fn own(next_server: Option<Ipv4Addr>, file: &str) -> Own<'_> {
    Own { next_server, file }
}

fn check(rows: &[Row]) {
    let boot = boot();
    for (told, own, expected) in rows {
        let place = Place { own: *own, ..place() };
        let booting = told.booting().unwrap();
        let show = |loader: Loader<'_>| format!("{} {}", loader.server, loader.file);
        let found = booting.loader(Some(&boot), &place).map(show);
        assert_eq!(found.as_deref(), *expected, "{told:?} {own:?}");
        let disabled = Place { disabled: true, ..place };
        assert_eq!(booting.loader(Some(&boot), &disabled), None, "{told:?} disabled");
    }
}

const BIOS: &[u8] = &[0, 0];
const UEFI: &[u8] = &[0, 7];
const UEFI_HTTP: &[u8] = &[0, 16];

macro_rules! script {
    ($architecture:literal) => {
        concat!(
            "10.0.0.2 http://10.0.0.2:7280/boot/script?uuid=${uuid}&serial=${serial:uristring}",
            "&mac=02:00:00:00:00:01&arch=",
            $architecture
        )
    };
}

#[test]
fn which_loader() {
    check(&[
        (told("PXEClient", "", BIOS, &[]), NONE, Some("10.0.0.2 undionly.kpxe")),
        (told("PXEClient", "", UEFI, &[]), NONE, Some("10.0.0.2 snponly.efi")),
        (told("PXEClient", "", &[0, 11], &[]), NONE, None),
        (told("PXEClient", "", &[9, 9], &[]), NONE, None),
        (
            told("HTTPClient", "", UEFI_HTTP, &[]),
            NONE,
            Some("10.0.0.2 http://10.0.0.2:7280/boot/snponly.efi"),
        ),
        (told("", "iPXE", BIOS, WITH_HTTP), NONE, Some(script!("bios"))),
        (told("", "iPXE", UEFI, &[]), NONE, Some(script!("uefi-x64"))),
        (told("", "iPXE", UEFI, WITHOUT), NONE, Some("10.0.0.2 snponly.efi")),
        (told("onie_vendor:x", "", &[], &[]), NONE, None),
    ]);
}

#[test]
fn what_an_operator_has_set_goes_before() {
    let uefi = || told("PXEClient", "", UEFI, &[]);
    let http = || told("HTTPClient", "", UEFI_HTTP, &[]);
    check(&[
        (uefi(), own(SEVEN, "pxe.0"), Some("10.0.0.7 pxe.0")),
        (uefi(), own(None, "pxe.0"), Some("10.0.0.2 pxe.0")),
        (uefi(), own(SEVEN, ""), Some("10.0.0.7 snponly.efi")),
        (told("", "iPXE", UEFI, &[]), own(None, "x.ipxe"), Some("10.0.0.2 x.ipxe")),
        (http(), own(None, "pxe.0"), Some("10.0.0.2 http://10.0.0.2:7280/boot/snponly.efi")),
        (http(), own(None, "https://a.example/b"), Some("10.0.0.2 https://a.example/b")),
        (
            told("onie_vendor:x", "", &[], &[]),
            own(None, "onie/sonic.bin"),
            Some("10.0.0.2 http://10.0.0.2:7280/boot/onie/sonic.bin"),
        ),
    ]);
    // also without a table of boot files
    let pxe = uefi().booting().unwrap();
    assert_eq!(pxe.loader(None, &place()), None);
    assert!(pxe.loader(None, &Place { own: own(None, "pxe.0"), ..place() }).is_some());
}

#[test]
fn a_known_machine_may_have_its_own_loader() {
    let boot = boot();
    let mut uuid = [0; 17];
    uuid[16] = 7;
    let mut nil = [0; 17];
    nil[0] = 1;
    let rows: [(&str, [u8; 6], &[u8], &str); 4] = [
        ("by its MAC address", KNOWN, &[], "shimx64.efi"),
        ("by its UUID", MAC, &uuid, "shimx64.efi"),
        ("another", MAC, &nil, "snponly.efi"),
        ("a UUID that is none", MAC, &[0, 7], "snponly.efi"),
    ];
    for (what, mac, machine, expected) in rows {
        let place = Place { mac: Some(mac), machine, ..place() };
        let told = told("PXEClient", "", &[0, 7], &[]);
        let loader = told.booting().unwrap().loader(Some(&boot), &place).unwrap();
        assert_eq!(loader.file, expected, "{what}");
        let bios = Told { architectures: &[0, 0], ..told };
        let loader = bios.booting().unwrap().loader(Some(&boot), &place).unwrap();
        assert_eq!(loader.file, "undionly.kpxe", "{what}, another architecture");
    }
}

/// `file` takes 127 bytes.
#[test]
fn the_longest_script_url_fits() {
    let place = Place { server: [255; 4].into(), ..place() };
    for architecture in Architecture::ALL {
        let booting =
            Booting { client: BootClient::Ipxe, code: None, architecture: Some(*architecture) };
        let boot = boot();
        let file = booting.loader(Some(&boot), &place).unwrap().file;
        assert!(file.len() <= 127, "{} {file}", file.len());
    }
}
