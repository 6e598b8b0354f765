//! Beside another DHCP server a rack gives no addresses: it only says what is booted, in an offer of its own and on the port of boot servers.

use anyhow::ensure;
use hostler_integration_tests::lab::{
    machine::INTERFACE,
    pxe::{BOOT_SERVER_PORT, Pxe, Voice},
    rack::Rack,
    segment::{BootSetup, RACK, Segment},
    swarm::inside,
    until,
};
use std::{net::UdpSocket, time::Duration};

const OWN: &str = "10.9.0.99";
const LOADER: &str = "ipxe/snponly.efi";
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_boot_server_answers_on_its_port() -> anyhow::Result<()> {
    let Some(segment) = Segment::open("prx")? else { return Ok(()) };
    let loader = segment.file("snponly.efi", vec![0x5a; 30_000])?;
    let files = [(LOADER, loader.as_str())];
    let configuration = |proxy: bool| {
        let vlan = format!("proxy = {proxy}");
        let loaders = &[("uefi-x64", LOADER)];
        BootSetup { vlan: &vlan, files: &files, loaders, ..BootSetup::default() }.toml()
    };
    let mut rack = Rack::alone(&segment.lab, "rack", &segment.rack, &configuration(true))?;
    rack.start()?;
    rack.shows("1 file at 10.9.0.2:69")?;
    let node = segment.node("n1", &[])?;
    let mut machine = Pxe::new(&node, "SN-1")?;
    let (address, offer) = machine.offer(Voice::Firmware)?;
    ensure!(address.is_unspecified() && offer.lease_seconds == 0, "{address}, {offer:?}");
    ensure!(offer.file == LOADER && offer.class == "PXEClient", "{offer:?}");

    // It has its address from the other server, and asks once more as its firmware does.
    node.address(INTERFACE, "10.9.0.99/16")?;
    let (server, own) = (RACK.parse()?, OWN.parse()?);
    let answer = machine.ask_boot_server(server, own)?;
    ensure!((&answer.file, &answer.class) == (&offer.file, &offer.class), "{answer:?}");
    ensure!(machine.fetch_loader(RACK, &answer.file)? == 30_000);
    // What is no question harms nobody.
    inside(&node, || {
        let stranger = UdpSocket::bind((own, 0))?;
        for length in [0, 1, 239, 240, 1400] {
            stranger.send_to(&vec![1; length], (server, BOOT_SERVER_PORT))?;
        }
        Ok(())
    })?;
    machine.ask_boot_server(server, own)?;
    let answered = |kind: &str| rack.metric("hostler_dhcp_answered_total", &[kind]);
    until(LIMIT, "each answer is counted", || {
        let counts = (answered("boot-offer")?, answered("boot-ack")?);
        ensure!(counts.0 >= 1.0 && counts.1 >= 2.0, "{counts:?}");
        Ok(Some(()))
    })?;
    ensure!(answered("\"offer\"")? + answered("\"ack\"")? == 0.0, "it gave an address");

    // Who gives addresses itself is no boot server beside them.
    rack.kill()?;
    rack.configure(&configuration(false))?;
    rack.start()?;
    rack.shows("1 file at 10.9.0.2:69")?;
    let refused = machine.ask_boot_server(server, own).unwrap_err();
    ensure!(format!("{refused:#}").contains("refused"), "{refused:#}");
    Ok(())
}
