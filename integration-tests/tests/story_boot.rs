//! Real firmware finds its loader and its script by a rack alone, and keeps one address on its way.

use hostler_integration_tests::lab::{
    firmware::{
        Firmware,
        stage::{Setup, Stage, WITHIN},
    },
    rack::Rack,
};

const RANGES: &str = "ranges = [{ first = \"10.9.1.0\", last = \"10.9.1.255\" }]";
const SCRIPT: &str =
    r##"script = "#!ipxe\necho STORY {name} {arch} {serial} {address}\nsleep 600""##;
const UEFI: Setup<'_> = Setup {
    subnet: RANGES,
    vlan: "",
    files: &[("ipxe/snponly.efi", "/usr/lib/ipxe/snponly.efi")],
    loaders: &[("uefi-x64", "ipxe/snponly.efi")],
    target: SCRIPT,
};

/// The network card's ROM is iPXE. What an operator has set for the subnet goes before: a first script by TFTP, which leads to the machine's own by HTTP.
#[test]
fn bios_boots_by_tftp_and_then_by_http() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("bbi", Firmware::Bios)? else { return Ok(()) };
    let chain = "#!ipxe\nchain http://10.9.0.2:7280/boot/script?mac=${net0/mac}&serial=${serial:uristring}&arch=bios\n";
    let chain = stage.file("chain.ipxe", chain)?;
    let subnet = format!("{RANGES}\nboot-file = \"first.ipxe\"");
    let setup = Setup { subnet: &subnet, files: &[("first.ipxe", &chain)], loaders: &[], ..UEFI };
    let rack = stage.rack(&setup)?;
    let mut machine = stage.switch_on()?;
    machine.shows("STORY n1 bios SN-4711 10.9.1.", WITHIN)?;
    rack.reaches("hostler_boot_transfers_total", &["tftp", "done"], 1.0)?;
    came_by_one_address(&rack)
}

#[test]
fn uefi_boots_by_pxe() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("bpx", Firmware::Uefi)? else { return Ok(()) };
    let rack = stage.rack(&UEFI)?;
    let mut machine = stage.switch_on()?;
    machine.shows("STORY n1 uefi-x64 SN-4711 10.9.1.", WITHIN)?;
    rack.reaches("hostler_boot_transfers_total", &["tftp", "done"], 1.0)?;
    came_by_one_address(&rack)
}

#[test]
fn uefi_boots_by_http() -> anyhow::Result<()> {
    let Some(stage) = Stage::set("bht", Firmware::UefiHttp)? else { return Ok(()) };
    let rack = stage.rack(&UEFI)?;
    let mut machine = stage.switch_on()?;
    machine.shows("STORY n1 uefi-x64 SN-4711 10.9.1.", WITHIN)?;
    assert_eq!(rack.metric("hostler_boot_transfers_total", &["tftp"])?, 0.0);
    came_by_one_address(&rack)
}

/// Firmware, loader and system call themselves differently.
fn came_by_one_address(rack: &Rack) -> anyhow::Result<()> {
    rack.reaches("hostler_dhcp_addresses", &["bound"], 1.0)?;
    assert_eq!(rack.metric("hostler_dhcp_addresses", &["bound"])?, 1.0);
    assert_eq!(rack.metric("hostler_boots_total", &["started"])?, 1.0);
    Ok(())
}
