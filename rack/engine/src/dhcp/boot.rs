//! What a machine that boots is told beside its address, and what is seen of it.

use std::{io::Write, net::Ipv4Addr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{
    compiled::EncodedPair,
    reply::{Done, write_option},
    v4::Request,
};
use crate::boot::{
    BootClient,
    loader::{IPXE_NO_PROXY, Loader},
};

/// The options by which it boots. None of them is the operator's: those that are leave as they were set.
#[derive(Clone, Debug)]
pub(crate) struct BootOptions<'a> {
    client: BootClient,
    /// None: it is told of none, and goes on with its next device.
    loader: Option<&'a Loader<'a>>,
    /// Option 97, which comes back to it (RFC 4578 section 2.3).
    machine: &'a [u8],
    is_proxy: bool,
}

const VENDOR_OPTIONS: u8 = 43;
const CLASS: u8 = 60;
const SERVER_NAME: u8 = 66;
const FILE_NAME: u8 = 67;
const MACHINE: u8 = 97;
/// Where ONIE finds its installer.
const DEFAULT_URL: u8 = 114;
const IPXE: u8 = 175;
/// The fixed part of a packet takes one byte less than its room, for a zero at its end.
const LONGEST_FILE: usize = 127;
/// PXE_DISCOVERY_CONTROL with its bit 3: fetch the file that was told, without a menu and without looking for other boot servers (PXE specification 2.1,
/// section 2.4.1).
const NO_DISCOVERY: [u8; 4] = [6, 1, 8, 255];

impl<'a> BootOptions<'a> {
    pub(crate) fn new(
        client: BootClient,
        loader: Option<&'a Loader<'a>>,
        request: &Request<'a>,
        is_proxy: bool,
    ) -> Self {
        Self { client, loader, machine: request.told.machine, is_proxy }
    }

    /// For the fixed part: what firmware reads that reads no options.
    pub(crate) fn server_and_file(&self) -> (Option<Ipv4Addr>, &str) {
        let fits = |loader: &&&Loader<'_>| {
            loader.client != BootClient::Onie && loader.file.len() <= LONGEST_FILE
        };
        let file = self.loader.as_ref().filter(fits).map_or("", |loader| &loader.file);
        (self.loader.map(|loader| loader.server), file)
    }

    /// What an operator has set for an option of its own is not replaced.
    pub(crate) fn write(
        &self,
        operators: Option<EncodedPair<'_>>,
        limit: usize,
        done: &mut Done,
        out: &mut Vec<u8>,
    ) {
        let mut option = |code: u8, value: &[u8]| {
            let own = operators.is_some_and(|options| !options.get(code).is_empty());
            let is_file = matches!(code, SERVER_NAME | FILE_NAME);
            if (!own || is_file) && out.len() + 2 + value.len() <= limit && done.add(code) {
                write_option(code, value, out);
            }
        };
        let mut text = AddressText::default();
        // not the operator's either, for a machine that gets no loader
        let (mut server, mut file) = (&[][..], &[][..]);
        if let Some(loader) = self.loader {
            (server, file) = (text.write(loader.server), loader.file.as_bytes());
        }
        match (self.client, self.loader.is_some()) {
            (BootClient::Onie, true) => {
                option(DEFAULT_URL, file);
                (server, file) = (&[], &[]);
            }
            (BootClient::Pxe, true) => {
                option(CLASS, b"PXEClient");
                option(VENDOR_OPTIONS, &NO_DISCOVERY);
            }
            (BootClient::Http, true) => option(CLASS, b"HTTPClient"),
            // iPXE takes an offer without an address only if it is a PXE server's
            (BootClient::Ipxe, true) if self.is_proxy => {
                option(CLASS, b"PXEClient");
                option(VENDOR_OPTIONS, &NO_DISCOVERY);
            }
            (BootClient::Ipxe, true) => option(IPXE, &IPXE_NO_PROXY),
            (BootClient::Onie | BootClient::Pxe | BootClient::Http | BootClient::Ipxe, false) => {}
        }
        option(MACHINE, self.machine);
        option(SERVER_NAME, server);
        option(FILE_NAME, file);
    }
}

/// An address as text, without an allocation.
#[derive(Default)]
struct AddressText([u8; 15]);

impl AddressText {
    fn write(&mut self, address: Ipv4Addr) -> &[u8] {
        let mut left = &mut self.0[..];
        write!(left, "{address}").expect("no address is longer");
        let left = left.len();
        &self.0[..15 - left]
    }
}

/// Machines whose systems are waited for, so that packets of all others cost nothing more.
#[derive(Default)]
pub(crate) struct Awaited {
    /// Since when, in seconds.
    machines: HashMap<[u8; 6], u32, FixedState>,
    /// The second in which room was last looked for.
    swept: u32,
}

/// As many as are followed at once.
const AWAITED: usize = 4096;
/// A system that has not come up by then does not.
const PATIENCE_SECONDS: u32 = 3600;

impl Awaited {
    pub(crate) fn add(&mut self, mac: [u8; 6], now: u32) {
        if self.machines.len() >= AWAITED && !self.machines.contains_key(&mac) {
            if self.swept != now {
                self.swept = now;
                self.machines.retain(|_, since| now.saturating_sub(*since) < PATIENCE_SECONDS);
            }
            if self.machines.len() >= AWAITED {
                return;
            }
        }
        self.machines.insert(mac, now);
    }

    /// Whether it was waited for; it is not any more.
    pub(crate) fn take(&mut self, mac: [u8; 6]) -> bool {
        !self.machines.is_empty() && self.machines.remove(&mac).is_some()
    }
}
