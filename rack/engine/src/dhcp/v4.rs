//! A client's or relay's packet as it came: read without allocation, never trusted.

use std::net::Ipv4Addr;

use dhcproto::v4::{Opcode, borrowed::Message};

use super::{counters::Dropped, walk};
use crate::{
    boot::loader::{Booting, Told},
    lease::Client,
};

/// The kinds of message that a server answers (RFC 2131 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
}

/// What of a packet counts. 0.0.0.0 is no address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Request<'a> {
    kind: Option<Kind>,
    pub(crate) xid: u32,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Option<Ipv4Addr>,
    pub(crate) giaddr: Option<Ipv4Addr>,
    pub(crate) chaddr: [u8; 16],
    /// Hardware, and the options that tell of the client.
    pub(crate) client: Client<'a>,
    /// Option 50.
    pub(crate) requested: Option<Ipv4Addr>,
    /// Option 51.
    pub(crate) lease_seconds: Option<u32>,
    /// Option 54.
    pub(crate) server: Option<Ipv4Addr>,
    /// Option 55.
    pub(crate) wanted: &'a [u8],
    /// Option 57.
    pub(crate) largest: Option<u16>,
    /// Option 118 (RFC 3011).
    pub(crate) subnet_selection: Option<Ipv4Addr>,
    /// Suboption 5 of option 82 (RFC 3527).
    pub(crate) link_selection: Option<Ipv4Addr>,
    pub(crate) told: Told<'a>,
    /// None: it does not ask in the course of a network boot.
    pub(crate) booting: Option<Booting>,
}

/// `flags`: the client cannot be sent a frame of its own before it has its address.
pub(crate) const BROADCAST: u16 = 0x8000;

impl<'a> Request<'a> {
    pub(crate) fn decode(packet: &'a [u8], joined: &'a mut walk::Joined) -> Result<Self, Dropped> {
        let message = Message::new(packet).map_err(|_| Dropped::Short)?;
        if message.opcode() != Opcode::BootRequest {
            return Err(Dropped::NotFromClient);
        }
        // `Message::chaddr` is not to be called before this
        if message.hlen() > 16 {
            return Err(Dropped::HardwareLength);
        }
        let mut request = Request {
            xid: message.xid(),
            flags: message.flags().into(),
            ciaddr: address(message.ciaddr()),
            giaddr: address(message.giaddr()),
            ..Self::default()
        };
        request.client.hardware_type = message.htype().into();
        request.client.hardware = message.chaddr();
        request.chaddr.copy_from_slice(&packet[28..44]);
        walk::options(packet, joined, |code, value| request.set(code, value))?;
        if request.client.hardware.is_empty() && request.client.identifier.is_empty() {
            return Err(Dropped::NoIdentity);
        }
        request.booting = request.told.booting();
        request.client.boot = request.booting.is_some();
        request.kind.map(|_| request).ok_or(Dropped::NoMessageType)
    }

    /// Its hardware address, if that is an Ethernet one.
    pub(crate) fn mac(&self) -> Option<[u8; 6]> {
        self.client.mac()
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind.expect("decode refuses a packet without one")
    }

    fn set(&mut self, code: u8, value: &'a [u8]) -> Result<(), Dropped> {
        match code {
            12 => self.client.host_name = value,
            50 => self.requested = address(exactly(value)?.into()),
            51 => self.lease_seconds = value.try_into().ok().map(u32::from_be_bytes),
            53 => self.kind = Some(Kind::from_code(exactly::<1>(value)?[0])?),
            54 => self.server = address(exactly(value)?.into()),
            55 => self.wanted = value,
            57 => self.largest = value.try_into().ok().map(u16::from_be_bytes),
            60 => self.told.vendor_class = value,
            61 => self.client.identifier = value,
            77 => self.told.user_class = value,
            82 => {
                self.client.relay_information = value;
                self.link_selection = suboption(value, 5)
                    .and_then(|value| address(<[u8; 4]>::try_from(value).ok()?.into()));
            }
            93 => self.told.architectures = value,
            97 => self.told.machine = value,
            118 => self.subnet_selection = address(exactly(value)?.into()),
            175 => self.told.ipxe = value,
            _ => {}
        }
        Ok(())
    }
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Discover, Self::Request, Self::Decline, Self::Release, Self::Inform];

    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Request => "request",
            Self::Decline => "decline",
            Self::Release => "release",
            Self::Inform => "inform",
        }
    }

    fn from_code(code: u8) -> Result<Self, Dropped> {
        match code {
            1 => Ok(Self::Discover),
            3 => Ok(Self::Request),
            4 => Ok(Self::Decline),
            7 => Ok(Self::Release),
            8 => Ok(Self::Inform),
            _ => Err(Dropped::OtherMessageType),
        }
    }
}

fn address(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified()).then_some(address)
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Dropped> {
    value.try_into().map_err(|_| Dropped::OptionLength)
}

/// The first suboption of this code; what comes after a broken one is not read (RFC 3046 section 2.0).
fn suboption(mut rest: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [code, length, after @ ..] = rest {
        let (value, after) = after.split_at_checked((*length).into())?;
        if *code == wanted {
            return Some(value);
        }
        rest = after;
    }
    None
}
