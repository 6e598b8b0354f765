//! The sockets of one interface.

use common::MacAddr;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrIn, bind, setsockopt, socket,
        sockopt::{
            BindToDevice, Broadcast, Ipv4PacketInfo, RcvBuf, RcvBufForce, ReceiveTimestampns,
            RxqOvfl, SndBuf, SndBufForce,
        },
    },
};
use std::{
    ffi::OsString,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use super::port_owner::{self, Transport};

/// Where DHCP servers listen, and relays (RFC 2131 section 4.1).
pub const SERVER_PORT: u16 = 67;
pub(super) const CLIENT_PORT: u16 = 68;
/// Where boot servers listen that give no addresses (PXE specification 2.1, section 2.2.3).
pub const BOOT_SERVER_PORT: u16 = 4011;
/// A second of requests at 10,000 a second: takes a storm without answering what nobody waits for any more.
const BUFFER: usize = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("interface {0} is not there")]
    NoInterface(String),
    #[error("port {port} on {interface} is taken by {owner}")]
    PortTaken { port: u16, interface: String, owner: String },
    #[error("{what} on {interface}: {error}")]
    Refused { what: &'static str, interface: String, error: Errno },
}

/// One UDP socket that hears only its interface, so that a storm fills no buffer but its own, and a packet socket that hears nothing, for
/// frames to clients that have no address yet.
#[derive(Debug)]
pub struct DhcpSocket {
    pub(super) udp: OwnedFd,
    pub(super) packet: OwnedFd,
    pub(super) interface: InterfaceId,
    port: u16,
}

/// An interface as long as it lives: one that is made again under its name is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceId {
    pub name: String,
    pub index: u32,
}

impl InterfaceId {
    /// The interface of this name, and its hardware address if it is Ethernet.
    pub fn find(name: &str) -> Result<(Self, Option<MacAddr>), OpenError> {
        let refused = |error| OpenError::Refused {
            what: "interfaces cannot be listed",
            interface: name.into(),
            error,
        };
        let entries = getifaddrs().map_err(refused)?;
        let mut own = entries.filter(|entry| entry.interface_name == name);
        let link = own.find_map(|entry| entry.address?.as_link_addr().copied());
        let link = link.ok_or_else(|| OpenError::NoInterface(name.into()))?;
        let index = u32::try_from(link.ifindex()).unwrap_or_default();
        Ok((Self { name: name.into(), index }, link.addr().map(MacAddr::new)))
    }
}

impl DhcpSocket {
    pub fn open(interface: InterfaceId, port: u16) -> Result<Self, OpenError> {
        let refused = |what| {
            let interface = interface.name.clone();
            move |error| OpenError::Refused { what, interface, error }
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let packet = socket(AddressFamily::Packet, SockType::Raw, flags, None)
            .map_err(refused("no packet socket"))?;
        let udp = socket(AddressFamily::Inet, SockType::Datagram, flags, None)
            .map_err(refused("no UDP socket"))?;
        bind_to(&udp, &interface)?;
        set_options(&udp).map_err(refused("a socket option is refused"))?;
        // No SO_REUSEADDR: two servers on one port would share its datagrams, and nobody would notice.
        bind(udp.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, port)).map_err(|error| {
            if error != Errno::EADDRINUSE {
                return refused("the port cannot be bound")(error);
            }
            let owner = port_owner::describe(Transport::Udp, port);
            OpenError::PortTaken { port, interface: interface.name.clone(), owner }
        })?;
        Ok(Self { udp, packet, interface, port })
    }

    pub fn interface(&self) -> &InterfaceId {
        &self.interface
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Readable when there are datagrams.
impl AsFd for DhcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.udp.as_fd()
    }
}

fn bind_to(udp: &OwnedFd, interface: &InterfaceId) -> Result<(), OpenError> {
    let what = "the socket cannot be bound to the interface";
    let name = interface.name.clone();
    setsockopt(udp, BindToDevice, &OsString::from(&name)).map_err(|error| {
        let is_gone = error == Errno::ENODEV;
        if is_gone {
            OpenError::NoInterface(name)
        } else {
            OpenError::Refused { what, interface: name, error }
        }
    })
}

fn set_options(udp: &OwnedFd) -> nix::Result<()> {
    setsockopt(udp, Broadcast, &true)?;
    setsockopt(udp, Ipv4PacketInfo, &true)?;
    setsockopt(udp, ReceiveTimestampns, &true)?;
    setsockopt(udp, RxqOvfl, &1)?;
    // More than the system's limit needs a capability; without it the limit is what is had.
    setsockopt(udp, RcvBufForce, &BUFFER).or_else(|_| setsockopt(udp, RcvBuf, &BUFFER))?;
    setsockopt(udp, SndBufForce, &BUFFER).or_else(|_| setsockopt(udp, SndBuf, &BUFFER))
}
