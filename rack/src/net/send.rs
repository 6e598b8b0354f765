//! Replies by the batch: over UDP, or as frames to clients that have no address yet.
#![expect(
    unsafe_code,
    reason = "sendmmsg over buffers that are used again has no safe form that allocates nothing"
)]

use common::MacAddr;
use engine::output::{Send as Reply, To};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use std::{
    mem::{size_of, zeroed},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
};

use super::{
    dhcp_socket::{CLIENT_PORT, DhcpSocket},
    raw::{self, FRAME_HEAD},
};

/// Headers of one system call; more take a second one.
const BATCH: usize = 256;
/// How long one full send buffer may hold up all others, in milliseconds.
const PATIENCE: u16 = 10;

/// Memory for sends, for all sockets of a thread.
pub struct Sender {
    addresses: Vec<Address>,
    heads: Vec<[u8; FRAME_HEAD]>,
    controls: Vec<PacketInfo>,
    pieces: Vec<[libc::iovec; 2]>,
    headers: Vec<libc::mmsghdr>,
    /// IPv4's identification of the next frame.
    identification: u16,
}

/// The interface that replies leave by.
#[derive(Clone, Copy, Debug)]
pub struct Outlet<'a> {
    pub socket: &'a DhcpSocket,
    /// The source of frames; without it a client that has no address is reached by a broadcast (RFC 2131 section 4.1).
    pub mac: Option<MacAddr>,
    /// The interface's first address, from which a datagram leaves unless it is told otherwise.
    pub primary: Option<Ipv4Addr>,
}

/// Where to, in the kernel's form.
#[derive(Clone, Copy)]
enum Address {
    Udp(libc::sockaddr_in),
    Packet(libc::sockaddr_ll),
}

/// A control message that names the source address.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct PacketInfo {
    head: libc::cmsghdr,
    info: libc::in_pktinfo,
}

// SAFETY: the pointers are made anew for each send and mean nothing between two.
unsafe impl Send for Sender {}

impl Sender {
    pub fn new() -> Self {
        Self {
            addresses: Vec::with_capacity(BATCH),
            heads: Vec::with_capacity(BATCH),
            controls: Vec::with_capacity(BATCH),
            pieces: Vec::with_capacity(BATCH),
            headers: Vec::with_capacity(BATCH),
            identification: 0,
        }
    }

    /// Sends replies, pieces of `bytes`; returns how many the kernel refused.
    pub fn send(&mut self, outlet: Outlet<'_>, bytes: &[u8], replies: &[Reply]) -> usize {
        let Outlet { socket, mac, .. } = outlet;
        let as_frame = |reply: &Reply| matches!(reply.to, To::Hardware { .. }) && mac.is_some();
        let mut refused = 0;
        for run in replies.chunk_by(|one, next| as_frame(one) == as_frame(next)) {
            let is_frames = run.first().is_some_and(as_frame);
            for batch in run.chunks(BATCH) {
                let fd = if is_frames { socket.packet.as_fd() } else { socket.udp.as_fd() };
                if is_frames {
                    self.prepare_frames(outlet, bytes, batch);
                } else {
                    self.prepare_datagrams(outlet, bytes, batch);
                }
                refused += self.transmit(fd);
            }
        }
        refused
    }

    fn prepare_datagrams(&mut self, outlet: Outlet<'_>, bytes: &[u8], batch: &[Reply]) {
        let Outlet { socket, primary, .. } = outlet;
        self.clear();
        for reply in batch {
            let mut header = empty_header();
            if primary.is_some_and(|primary| primary != reply.from) {
                let control = PacketInfo::new(reply.from, socket.interface.index);
                header.msg_hdr.msg_control = ptr::from_mut(self.controls.push_mut(control)).cast();
                header.msg_hdr.msg_controllen = size_of::<PacketInfo>();
            }
            self.add(header, Address::Udp(udp_address(reply.to)), [&[], payload(bytes, reply)]);
        }
    }

    fn prepare_frames(&mut self, outlet: Outlet<'_>, bytes: &[u8], batch: &[Reply]) {
        let Outlet { socket, mac, .. } = outlet;
        let mac = mac.map(MacAddr::octets).unwrap_or_default();
        self.clear();
        for reply in batch {
            let payload = payload(bytes, reply);
            self.identification = self.identification.wrapping_add(1);
            self.heads.push(raw::frame_head(mac, reply, payload, self.identification));
        }
        let heads = std::mem::take(&mut self.heads);
        for (head, reply) in heads.iter().zip(batch) {
            let address = Address::Packet(packet_address(socket));
            self.add(empty_header(), address, [head, payload(bytes, reply)]);
        }
        self.heads = heads;
    }

    fn clear(&mut self) {
        self.addresses.clear();
        self.heads.clear();
        self.controls.clear();
        self.pieces.clear();
        self.headers.clear();
    }

    /// Of two pieces the first may be empty; then the kernel does not hear of it.
    fn add(&mut self, mut header: libc::mmsghdr, address: Address, pieces: [&[u8]; 2]) {
        let skipped = usize::from(pieces[0].is_empty());
        let pieces = pieces.map(|bytes| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        });
        let pieces = &mut self.pieces.push_mut(pieces)[skipped..];
        header.msg_hdr.msg_iov = pieces.as_mut_ptr();
        header.msg_hdr.msg_iovlen = pieces.len();
        let address = self.addresses.push_mut(address);
        (header.msg_hdr.msg_name, header.msg_hdr.msg_namelen) = address.parts();
        self.headers.push(header);
    }

    fn transmit(&mut self, socket: BorrowedFd<'_>) -> usize {
        let (mut at, mut refused, mut waited) = (0, 0, false);
        while at < self.headers.len() {
            let left = &mut self.headers[at..];
            // SAFETY: each header leads to entries of the vectors of `self` and to the caller's bytes. `prepare` filled them within their
            // capacity, which is BATCH, so none has moved; none changes until it is called again.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    left.as_mut_ptr(),
                    left.len() as u32,
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) => at += sent.max(1),
                Err(_) if Errno::last() == Errno::EINTR => {}
                Err(_) if Errno::last() == Errno::EAGAIN && !waited => {
                    waited = true;
                    let mut ready = [PollFd::new(socket, PollFlags::POLLOUT)];
                    // Ready or not, the next attempt tells.
                    let _ = poll(&mut ready, PollTimeout::from(PATIENCE));
                }
                Err(_) => {
                    // One destination that cannot be reached must not stop the others.
                    refused += 1;
                    at += 1;
                }
            }
        }
        refused
    }
}

impl Default for Sender {
    fn default() -> Self {
        Self::new()
    }
}

impl Address {
    fn parts(&mut self) -> (*mut libc::c_void, u32) {
        match self {
            Self::Udp(address) => {
                (ptr::from_mut(address).cast(), size_of::<libc::sockaddr_in>() as u32)
            }
            Self::Packet(address) => {
                (ptr::from_mut(address).cast(), size_of::<libc::sockaddr_ll>() as u32)
            }
        }
    }
}

impl PacketInfo {
    fn new(from: Ipv4Addr, interface: u32) -> Self {
        let [none, from] = [Ipv4Addr::UNSPECIFIED, from].map(in_addr);
        Self {
            head: libc::cmsghdr {
                cmsg_len: size_of::<libc::cmsghdr>() + size_of::<libc::in_pktinfo>(),
                cmsg_level: libc::IPPROTO_IP,
                cmsg_type: libc::IP_PKTINFO,
            },
            info: libc::in_pktinfo {
                ipi_ifindex: interface as i32,
                ipi_spec_dst: from,
                ipi_addr: none,
            },
        }
    }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: all-zero is a valid header: no address, no buffers.
    unsafe { zeroed() }
}

fn payload<'a>(bytes: &'a [u8], reply: &Reply) -> &'a [u8] {
    &bytes[reply.start as usize..][..reply.len as usize]
}

fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: address.to_bits().to_be() }
}

fn udp_address(to: To) -> libc::sockaddr_in {
    let to = match to {
        To::Unicast(to) => to,
        To::Broadcast | To::Hardware { .. } => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
    };
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: to.port().to_be(),
        sin_addr: in_addr(*to.ip()),
        sin_zero: [0; 8],
    }
}

fn packet_address(socket: &DhcpSocket) -> libc::sockaddr_ll {
    // SAFETY: all-zero is a valid address.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_IP as u16).to_be();
    address.sll_ifindex = socket.interface.index as i32;
    address
}
