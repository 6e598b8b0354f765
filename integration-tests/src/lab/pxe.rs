//! A machine that boots from the network, played by hand: it says what firmware, iPXE and a system say, fetches what it is told, and stops where a story wants.

use super::{
    Node,
    machine::INTERFACE,
    swarm::{
        Mac,
        packet::{self, Boot, Kind, Packet},
        sockets,
    },
};
use anyhow::{Context, anyhow, bail};
use common::MacAddr;
use std::{
    io::{ErrorKind, Read},
    net::Ipv4Addr,
    time::{Duration, Instant},
};
use uuid::Uuid;

pub struct Pxe {
    node: Node,
    mac: Mac,
    serial: String,
    transaction: u32,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// UEFI for x86-64 that boots by PXE.
    Firmware,
    /// The loader that it fetched.
    Ipxe,
}

/// Where boot servers listen that give no addresses.
pub const BOOT_SERVER_PORT: u16 = 4011;
/// Until it asks again, and until it gives up.
const PATIENCE: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(30);

const CLASS: (u8, &[u8]) = (60, b"PXEClient:Arch:00007:UNDI:003000");
/// UEFI for x86-64 (RFC 4578 section 2.1, RFC 5970's registry).
const ARCHITECTURE: (u8, &[u8]) = (93, &[0, 7]);
const INTERFACE_KIND: (u8, &[u8]) = (94, &[1, 3, 0]);
const USER_CLASS: (u8, &[u8]) = (77, b"iPXE");
/// That it knows HTTP.
const IPXE: (u8, &[u8]) = (175, &[0x13, 1, 1]);
const REQUESTED_ADDRESS: u8 = 50;
const MESSAGE_TYPE: u8 = 53;
const SERVER: u8 = 54;
const MACHINE: u8 = 97;
const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;

impl Pxe {
    /// Its SMBIOS UUID is made of its MAC address.
    pub fn new(node: &Node, serial: &str) -> anyhow::Result<Self> {
        let mac = node.mac(INTERFACE)?.parse::<MacAddr>();
        let mac = mac.map_err(|refusal| anyhow!("{refusal:?}"))?.octets();
        let transaction = u32::from_be_bytes([mac[2], mac[3], mac[4], mac[5]]);
        Ok(Self { node: node.clone(), mac, serial: serial.into(), transaction })
    }

    /// Gets an address and takes it; what it is told to boot.
    pub fn configure(&mut self, voice: Voice) -> anyhow::Result<Boot> {
        let offer = self.discover(voice)?;
        let (address, server) = (offer.lease.address.octets(), offer.lease.server.octets());
        let own = [(REQUESTED_ADDRESS, &address[..]), (SERVER, &server)];
        let ack = self.exchange(voice, REQUEST, &own, Kind::Ack)?;
        let address = format!("{}/{}", ack.lease.address, ack.lease.prefix);
        self.node.run(&["ip", "addr", "replace", &address, "dev", INTERFACE])?;
        Ok(ack.boot)
    }

    /// What it is offered; the address is unspecified beside another server.
    pub fn offer(&mut self, voice: Voice) -> anyhow::Result<(Ipv4Addr, Boot)> {
        let offer = self.discover(voice)?;
        Ok((offer.lease.address, offer.boot))
    }

    /// What a server says on the port of boot servers, and from there, to whoever has its address from elsewhere.
    pub fn ask_boot_server(&mut self, server: Ipv4Addr, own: Ipv4Addr) -> anyhow::Result<Boot> {
        let (mouth, _ear) = sockets(&self.node)?;
        mouth.connect((server, BOOT_SERVER_PORT))?;
        mouth.set_read_timeout(Some(PATIENCE))?;
        let asked = self.message(Voice::Firmware, REQUEST, own, &[]);
        let (began, mut buffer) = (Instant::now(), [0; 2048]);
        while began.elapsed() < LIMIT {
            mouth.send(&asked)?;
            match mouth.recv(&mut buffer) {
                Ok(length) => {
                    let answer = packet::parse(&buffer[..length]).context("an answer of DHCP")?;
                    return Ok(answer.boot);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("a boot server"),
            }
        }
        bail!("{server} does not answer on port {BOOT_SERVER_PORT}")
    }

    /// Fetches a loader; how long it is.
    pub fn fetch_loader(&self, server: &str, path: &str) -> anyhow::Result<usize> {
        self.fetch(&format!("tftp://{server}/{path}")).map(|loader| loader.len())
    }

    /// Fetches its script by the URL that iPXE was told, and its kernel and initrds, in order.
    pub fn run_script(&self, url: &str) -> anyhow::Result<()> {
        let script = String::from_utf8(self.fetch(&self.settings(url))?)?;
        let mut lines = script.lines().map(|line| line.split_whitespace());
        lines.try_for_each(|mut words| {
            let fetches = matches!(words.next(), Some("kernel" | "initrd"));
            let url = words.find(|word| fetches && word.starts_with("http://"));
            url.map_or(Ok(()), |url| self.fetch(url).map(drop))
        })
    }

    pub fn fetch(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let mut command = self.node.command("curl");
        command.args(["-sSf", "-m", "30", url]);
        let output = super::finish(&mut command)?;
        Ok(output.stdout)
    }

    /// iPXE puts its own in.
    fn settings(&self, url: &str) -> String {
        url.replace("${uuid}", &self.uuid().to_string())
            .replace("${serial:uristring}", &self.serial)
    }

    fn uuid(&self) -> Uuid {
        let mut uuid = [0x10; 16];
        uuid[10..].copy_from_slice(&self.mac);
        Uuid::from_bytes(uuid)
    }

    fn discover(&mut self, voice: Voice) -> anyhow::Result<Packet> {
        self.exchange(voice, DISCOVER, &[], Kind::Offer)
    }

    fn exchange(
        &mut self,
        voice: Voice,
        kind: u8,
        more: &[(u8, &[u8])],
        wanted: Kind,
    ) -> anyhow::Result<Packet> {
        let (mouth, mut ear) = sockets(&self.node)?;
        let message = self.message(voice, kind, Ipv4Addr::UNSPECIFIED, more);
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            mouth.send_to(&message, (Ipv4Addr::BROADCAST, 67))?;
            let asked = Instant::now();
            while asked.elapsed() < PATIENCE {
                let mut buffer = [0; 2048];
                let length = match ear.read(&mut buffer) {
                    Ok(length) => length,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) => return Err(error).context("listening for answers"),
                };
                let answer = packet::in_frame(&buffer[..length]).and_then(packet::parse);
                let own = |answer: &Packet| {
                    answer.transaction == self.transaction && answer.kind == wanted
                };
                if let Some(answer) = answer.filter(own) {
                    return Ok(answer);
                }
            }
        }
        bail!("{voice:?} is not answered within {LIMIT:?}: no {wanted:?}")
    }

    fn message(&mut self, voice: Voice, kind: u8, own: Ipv4Addr, more: &[(u8, &[u8])]) -> Vec<u8> {
        self.transaction = self.transaction.wrapping_add(1);
        // Firmware writes its first three parts turned around (UEFI specification 2.10, appendix A).
        let machine = [&[0][..], &self.uuid().to_bytes_le()].concat();
        let kind = [kind];
        let mut options = vec![(MESSAGE_TYPE, &kind[..])];
        options.extend([CLASS, ARCHITECTURE, INTERFACE_KIND, (MACHINE, &machine)]);
        options.extend((voice == Voice::Ipxe).then_some([USER_CLASS, IPXE]).into_iter().flatten());
        options.extend(more);
        packet::build(self.transaction, self.mac, own, &options)
    }
}
