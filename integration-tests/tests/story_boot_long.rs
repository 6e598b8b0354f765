//! What takes minutes, or programs that Debian has and this computer need not: a system that comes up, Secure Boot, ARM, a foreign DHCP server. Run by
//! `deploy/test --only boot-long`.

use anyhow::Context;
use hostler_integration_tests::lab::{
    Lab, Process,
    centre::{Centre, SEGMENT_A, Wishes},
    firmware::{
        Firmware,
        stage::{BOARD, Setup, Stage, WITHIN},
    },
    run, target, until,
};
use std::{fs, path::PathBuf, process::Command, time::Duration};

const RANGES: &str = "ranges = [{ first = \"10.9.1.0\", last = \"10.9.1.255\" }]";
const SNPONLY: (&str, &str) = ("ipxe/snponly.efi", "/usr/lib/ipxe/snponly.efi");
const SCRIPT: &str =
    r##"script = "#!ipxe\necho STORY {name} {arch} {serial} {address}\nsleep 600""##;
/// A kernel takes a while to unpack itself when every instruction is emulated.
const SYSTEM: Duration = Duration::from_secs(400);

/// From firmware to a running Linux, whose own DHCP ends the boot, and which has the address of its firmware.
#[test]
#[ignore = "long: needs a kernel from Debian's archive"]
fn a_linux_comes_up() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("blx", Firmware::Bios)? else { return Ok(()) };
    let folder = made("guest", include_str!("../src/lab/firmware/guest.sh"))?;
    let of = |name: &str| folder.join(name).display().to_string();
    let (kernel, initrd) = (of("vmlinuz"), of("initrd.img"));
    let setup = Setup {
        subnet: RANGES,
        files: &[("guest/vmlinuz", &kernel), ("guest/initrd.img", &initrd)],
        target: r#"kernel = { kernel = "guest/vmlinuz", initrds = ["guest/initrd.img"], command-line = "console=ttyS0 name={name} sn={serial}" }"#,
        ..Setup::default()
    };
    let mut rack = stage.rack(&setup)?;
    let mut machine = stage.switch_on()?;
    machine.shows("name=n1 sn=SN-4711", SYSTEM)?;
    machine.shows("lease 600 from 10.9.0.2", SYSTEM)?;
    rack.process()?.says("a machine has booted", WITHIN)?;
    rack.reaches("hostler_dhcp_addresses", &["bound"], 1.0)?;
    assert_eq!(rack.metric("hostler_dhcp_addresses", &["bound"])?, 1.0);
    Ok(())
}

/// Debian's shim and GRUB are let through, and GRUB finds its configuration.
#[test]
#[ignore = "long: needs shim and GRUB from Debian's archive"]
fn secure_boot_lets_shim_and_grub_through() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("bsb", Firmware::SecureBoot)? else { return Ok(()) };
    let folder = made("signed", SIGNED)?;
    let of = |name: &str| folder.join(name).display().to_string();
    let (shim, grub) = (of("shimx64.efi"), of("grubx64.efi"));
    let setup = Setup {
        subnet: RANGES,
        files: &[("shimx64.efi", &shim), ("grubx64.efi", &grub)],
        loaders: &[("uefi-x64", "shimx64.efi")],
        target: "local-disk = {}",
        ..Setup::default()
    };
    let mut rack = stage.rack(&setup)?;
    let mut machine = stage.switch_on()?;
    machine.shows("this machine boots from its own disk", WITHIN)?;
    rack.process()?.says("a machine has booted", WITHIN).map(drop)
}

/// What nobody has signed is fetched and not run: the rack says so.
#[test]
#[ignore = "long: waits for a firmware to give up"]
fn secure_boot_refuses_what_nobody_signed() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("bsr", Firmware::SecureBoot)? else { return Ok(()) };
    let setup = Setup {
        subnet: RANGES,
        files: &[SNPONLY],
        loaders: &[("uefi-x64", SNPONLY.0)],
        target: SCRIPT,
        ..Setup::default()
    };
    let mut rack = stage.rack(&setup)?;
    let _machine = stage.switch_on()?;
    let said = rack.process()?.says("a machine came no further", SYSTEM)?;
    assert!(said.contains("Secure Boot refused it"), "{said}");
    Ok(())
}

/// ARM's firmware is sent ARM's loader. It is none here, and the firmware says so.
#[test]
#[ignore = "long: emulates a foreign processor"]
fn arm_is_sent_its_own_loader() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("bar", Firmware::Arm64)? else { return Ok(()) };
    let loader = stage.file("loader.efi", vec![0x5a; 300_000])?;
    let setup = Setup {
        subnet: RANGES,
        files: &[SNPONLY, ("arm/loader.efi", &loader)],
        loaders: &[("uefi-x64", SNPONLY.0), ("uefi-arm64", "arm/loader.efi")],
        target: SCRIPT,
        ..Setup::default()
    };
    let mut rack = stage.rack(&setup)?;
    let _machine = stage.switch_on()?;
    rack.reaches("hostler_boot_sent_bytes_total", &["tftp"], 300_000.0)?;
    let said = rack.process()?.says("a machine came no further", SYSTEM)?;
    assert!(said.contains("not for this architecture (uefi-arm64)"), "{said}");
    Ok(())
}

/// Another server gives the addresses, and the rack only adds what is booted: to firmware, and to the loader that it starts.
#[test]
#[ignore = "long: in emulation, firmware waits for both servers"]
fn beside_a_foreign_server() -> anyhow::Result<()> {
    for (story, firmware) in [("bpf", Firmware::Uefi), ("bpi", Firmware::Bios)] {
        let Some(stage) = Stage::set(story, firmware)? else { return Ok(()) };
        let foreign = stage.segment.node("foreign", &["10.9.0.1/16"])?;
        let mut command = foreign.command("dnsmasq");
        command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping"]);
        command.args(["--dhcp-range=10.9.2.10,10.9.2.99,10m", "--interface=eth0", "--log-dhcp"]);
        command.args(["--log-facility=-", "--dhcp-leasefile=/dev/null", "--user=root"]);
        let _foreign = Process::start("dnsmasq", stage.segment.lab.folder(), &mut command)?;
        let setup = Setup {
            vlan: "proxy = true",
            files: &[SNPONLY],
            loaders: &[("uefi-x64", SNPONLY.0)],
            target: SCRIPT,
            ..Setup::default()
        };
        let rack = stage.rack(&setup)?;
        let mut machine = stage.switch_on()?;
        machine.shows("SN-4711 10.9.2.", WITHIN).with_context(|| format!("{firmware:?}"))?;
        assert_eq!(rack.metric("hostler_dhcp_answered_total", &["\"offer\""])?, 0.0);
    }
    Ok(())
}

/// Region is gone before the machine is switched on: its rack has all that it boots.
#[test]
#[ignore = "long: a whole data centre, and a machine in emulation"]
fn a_machine_boots_while_region_is_away() -> anyhow::Result<()> {
    let Some(lab) = Lab::open("brg")? else { return Ok(()) };
    let mut centre = Centre::build(lab, Wishes::default())?;
    let script = centre.lab.folder().join("own.ipxe");
    fs::write(&script, "#!ipxe\necho STORY {name} {arch} {serial} {address}\nsleep 600\n")?;
    let script = format!("@{}", script.display());
    let region = &mut centre.region;
    region.hostler(&["boot-file", "push", SNPONLY.1, "--as", SNPONLY.0])?;
    let profile = ["boot-profile", "create", "own", "--target", "script", "--script"];
    region.hostler(&[&profile[..], &[script.as_str()]].concat())?;
    region.hostler(&["machine", "create", BOARD.name, "--mac", BOARD.mac])?;
    region.hostler_wait(&["machine", "boot-as", BOARD.name, "own"])?;
    let rack = &centre.racks[0].node;
    until(WITHIN, "the rack has fetched the loader", || {
        let file = format!("http://10.77.0.2:7280/boot/{}", SNPONLY.0);
        rack.run(&["curl", "-sfo", "/dev/null", &file]).map(Some)
    })?;
    region.kill()?;
    let place = (&centre.switches, SEGMENT_A);
    let mut machine = Firmware::Uefi.switch_on(&centre.lab, place, &BOARD)?;
    machine.shows("STORY n1 uefi-x64 SN-4711 10.77.", WITHIN)
}

/// `signed FOLDER`: what Debian signs, downloaded and not installed.
const SIGNED: &str = r#"set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
apt-get download -q shim-signed grub-efi-amd64-signed >&2
for package in *.deb; do dpkg -x "$package" .; done
mkdir -p "$1"
cp usr/lib/shim/shimx64.efi.signed "$1/shimx64.efi"
cp usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed "$1/grubx64.efi"
"#;

/// A folder that a script makes, once for all runs.
fn made(name: &str, script: &str) -> anyhow::Result<PathBuf> {
    let folder = target()?.join("boot-assets").join(name);
    if !folder.join("done").exists() {
        fs::create_dir_all(&folder)?;
        run(Command::new("bash").args(["-c", script, name]).arg(&folder))?;
        fs::write(folder.join("done"), "")?;
    }
    Ok(folder)
}
