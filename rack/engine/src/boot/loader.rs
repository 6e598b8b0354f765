//! Who asks to boot, and which program it is told to fetch.

use std::{borrow::Cow, net::Ipv4Addr};

use common::rack_config::boot::Architecture;

use super::compiled::CompiledBoot;

/// What of a packet tells of a machine that boots; all of it empty in the packets of others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told<'a> {
    /// Option 60 (RFC 2132 section 9.13).
    pub(crate) vendor_class: &'a [u8],
    /// Option 77 (RFC 3004).
    pub(crate) user_class: &'a [u8],
    /// Option 93 (RFC 4578 section 2.1).
    pub(crate) architectures: &'a [u8],
    /// Option 97 (RFC 4578 section 2.3).
    pub(crate) machine: &'a [u8],
    /// Option 175: what iPXE can do, as options of its own.
    pub(crate) ipxe: &'a [u8],
}

/// What asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BootClient {
    /// Firmware that fetches its loader by TFTP.
    Pxe,
    /// Firmware that fetches its loader by HTTP (UEFI specification 24.7).
    Http,
    /// iPXE, which runs a script.
    Ipxe,
    /// The installer of a network switch.
    Onie,
}

impl BootClient {
    pub const ALL: [Self; 4] = [Self::Pxe, Self::Http, Self::Ipxe, Self::Onie];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pxe => "pxe",
            Self::Http => "http",
            Self::Ipxe => "ipxe",
            Self::Onie => "onie",
        }
    }
}

/// Somebody who asks to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booting {
    pub(crate) client: BootClient,
    /// As it was told; none if it told none.
    pub(crate) code: Option<u16>,
    /// None: of no kind that is known.
    pub(crate) architecture: Option<Architecture>,
}

/// Which program, and where from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loader<'a> {
    pub(crate) client: BootClient,
    pub(crate) server: Ipv4Addr,
    /// A path, or a URL.
    pub(crate) file: Cow<'a, str>,
}

/// What an operator has set for a subnet, or for one machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own<'a> {
    pub(crate) next_server: Option<Ipv4Addr>,
    /// Empty: nothing.
    pub(crate) file: &'a str,
}

/// The machine that asks, and how it reaches this rack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) mac: Option<[u8; 6]>,
    /// Option 97.
    pub(crate) machine: &'a [u8],
    pub(crate) server: Ipv4Addr,
    pub(crate) own: Own<'a>,
    /// Whether this subnet's machines of this architecture are told of no loader.
    pub(crate) disabled: bool,
}

/// iPXE's options within option 175: whether it knows HTTP; and that it need not wait for a proxy's offers, which else takes it some seconds.
const IPXE_HTTP: u8 = 0x13;
pub(crate) const IPXE_NO_PROXY: [u8; 3] = [0xb0, 1, 1];

impl Told<'_> {
    /// None: somebody who does not boot, or not from the network. iPXE goes by the firmware's class as well, so it is looked for first.
    pub(crate) fn booting(&self) -> Option<Booting> {
        if self.vendor_class.is_empty() && self.user_class.is_empty() && self.ipxe.is_empty() {
            return None;
        }
        let client = if self.is_ipxe() {
            // One that cannot run a script of ours fetches a loader that can, as firmware does.
            if self.ipxe_knows_http() { BootClient::Ipxe } else { BootClient::Pxe }
        } else if self.vendor_class.starts_with(b"onie_vendor")
            || self.is_user_class(b"onie_dhcp_user_class")
        {
            BootClient::Onie
        } else if self.vendor_class.starts_with(b"HTTPClient") {
            BootClient::Http
        } else if self.vendor_class.starts_with(b"PXEClient") {
            BootClient::Pxe
        } else {
            return None;
        };
        let code = self.code();
        // BIOS ROMs that are older than the option say nothing.
        let architecture = match code {
            Some(code) => Architecture::from_code(code).map(|(architecture, _)| architecture),
            None if client == BootClient::Pxe => Some(Architecture::Bios),
            None => None,
        };
        Some(Booting { client, code, architecture })
    }

    /// The first code that is known, else the first; else the one in the vendor class: `PXEClient:Arch:00007:UNDI:003000`.
    fn code(&self) -> Option<u16> {
        let codes =
            || self.architectures.chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]]));
        let in_class = || {
            let digits = self.vendor_class.get(15..20)?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        let is_known = |code: &u16| Architecture::from_code(*code).is_some();
        codes().find(is_known).or_else(|| codes().next()).or_else(in_class)
    }

    fn is_ipxe(&self) -> bool {
        self.is_user_class(b"iPXE") || self.is_user_class(b"gPXE") || !self.ipxe.is_empty()
    }

    /// What does not say what it can do is believed to be whole.
    fn ipxe_knows_http(&self) -> bool {
        let mut rest = self.ipxe;
        while let [code, length, after @ ..] = rest {
            let Some((value, after)) = after.split_at_checked((*length).into()) else { break };
            if *code == IPXE_HTTP {
                return value.iter().any(|byte| *byte != 0);
            }
            rest = after;
        }
        self.ipxe.is_empty()
    }

    /// As RFC 3004 writes it, each class behind its length, or bare, as most do.
    fn is_user_class(&self, wanted: &[u8]) -> bool {
        let mut rest = self.user_class;
        if rest == wanted {
            return true;
        }
        while let [length, after @ ..] = rest {
            let Some((class, after)) = after.split_at_checked((*length).into()) else { break };
            if class == wanted {
                return true;
            }
            rest = after;
        }
        false
    }
}

impl Booting {
    /// None: it is told of none, and goes on with its next device.
    pub(crate) fn loader<'a>(
        &self,
        boot: Option<&'a CompiledBoot>,
        place: &Place<'a>,
    ) -> Option<Loader<'a>> {
        let Place { own, disabled, .. } = *place;
        if disabled {
            return None;
        }
        let server = own.next_server.unwrap_or(place.server);
        let is_url = own.file.contains("://");
        // Firmware that knows HTTP only cannot fetch a path; all else takes what the operator says.
        let file = match self.client {
            BootClient::Pxe | BootClient::Ipxe if !own.file.is_empty() => own.file.into(),
            BootClient::Http | BootClient::Onie if is_url => own.file.into(),
            BootClient::Onie if !own.file.is_empty() => {
                let file = own.file.trim_start_matches('/');
                format!("{}/{file}", boot?.url(place.server)).into()
            }
            BootClient::Onie => return None,
            BootClient::Ipxe => self.script_url(boot?, place).into(),
            BootClient::Pxe => boot?.loader(place, self.architecture?)?.into(),
            BootClient::Http => {
                let boot = boot?;
                let path = boot.loader(place, self.architecture?)?;
                format!("{}/{path}", boot.url(place.server)).into()
            }
        };
        Some(Loader { client: self.client, server, file })
    }

    /// iPXE puts its settings in for what stands in `${}`. Short enough for `file`.
    fn script_url(&self, boot: &CompiledBoot, place: &Place<'_>) -> String {
        let mut url = format!(
            "{}/script?uuid=${{uuid}}&serial=${{serial:uristring}}",
            boot.url(place.server)
        );
        if let Some(mac) = place.mac {
            url.push_str(&format!("&mac={}", common::MacAddr::new(mac)));
        }
        if let Some(architecture) = self.architecture {
            url.push_str(&format!("&arch={architecture}"));
        }
        url
    }
}

#[cfg(test)]
mod tests;
