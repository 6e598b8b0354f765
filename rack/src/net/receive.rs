//! Datagrams by the batch: one system call for up to 128 of them, into memory that is made once.
#![expect(
    unsafe_code,
    reason = "recvmmsg over buffers that are used again has no safe form that allocates nothing"
)]

use common::Timestamp;
use std::{
    io::{self, ErrorKind},
    mem::{offset_of, size_of, zeroed},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, AsRawFd},
    ptr,
};

use super::dhcp_socket::DhcpSocket;

/// Larger batches brought nothing, smaller ones more system calls.
const BATCH: usize = 128;
/// Of one datagram: an Ethernet frame's worth.
const DATAGRAM: usize = 1536;
/// Of the control messages of one datagram, in words so that they are aligned: a time, an address and a count.
const CONTROL: usize = 16;
const WORD: usize = size_of::<u64>();

/// Memory for one batch, for all sockets of a thread.
pub struct Receiver {
    datagrams: Box<[u8]>,
    controls: Box<[u64]>,
    sources: Box<[libc::sockaddr_in]>,
    /// What `headers` point to.
    _pieces: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

// SAFETY: the pointers lead into the boxes beside them, whose contents do not move with it.
unsafe impl Send for Receiver {}

/// One datagram of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub payload: &'a [u8],
    pub source: SocketAddrV4,
    /// The own address that it was sent to; none if it was broadcast.
    pub local: Option<Ipv4Addr>,
    /// When the kernel took it.
    pub at: Option<Timestamp>,
    /// How many the kernel had dropped on this socket until then, since it was opened.
    pub overflows: Option<u32>,
    /// Larger than any that is served.
    pub truncated: bool,
}

impl Receiver {
    pub fn new() -> Self {
        let mut datagrams = vec![0; BATCH * DATAGRAM].into_boxed_slice();
        let mut controls = vec![0; BATCH * CONTROL].into_boxed_slice();
        // SAFETY: all-zero is a valid address.
        let mut sources = vec![unsafe { zeroed::<libc::sockaddr_in>() }; BATCH].into_boxed_slice();
        let mut pieces: Box<[_]> = datagrams
            .chunks_exact_mut(DATAGRAM)
            .map(|room| libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: DATAGRAM })
            .collect();
        let headers = pieces
            .iter_mut()
            .zip(&mut sources)
            .zip(controls.chunks_exact_mut(CONTROL))
            .map(|((piece, source), control)| {
                // SAFETY: all-zero is a valid header: no address, no buffers.
                let mut header: libc::mmsghdr = unsafe { zeroed() };
                header.msg_hdr.msg_iov = ptr::from_mut(piece);
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_name = ptr::from_mut(source).cast();
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header
            })
            .collect();
        Self { datagrams, controls, sources, _pieces: pieces, headers, received: 0 }
    }

    /// Takes what is there, without waiting.
    pub fn receive(&mut self, socket: &DhcpSocket) -> io::Result<()> {
        self.received = 0;
        for header in &mut self.headers {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
            header.msg_hdr.msg_controllen = CONTROL * WORD;
        }
        // SAFETY: every header leads to room of its own in the boxes of `self`, which live as long as it.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        if let Ok(received) = usize::try_from(received) {
            self.received = received;
            return Ok(());
        }
        let error = io::Error::last_os_error();
        let is_nothing = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
        if is_nothing { Ok(()) } else { Err(error) }
    }

    /// What the last call took.
    pub fn datagrams(&self) -> impl Iterator<Item = Received<'_>> {
        (0..self.received).map(|at| self.datagram(at))
    }

    fn datagram(&self, at: usize) -> Received<'_> {
        let header = &self.headers[at];
        let length = (header.msg_len as usize).min(DATAGRAM);
        let source = &self.sources[at];
        let mut received = Received {
            payload: &self.datagrams[at * DATAGRAM..][..length],
            source: SocketAddrV4::new(
                Ipv4Addr::from_bits(u32::from_be(source.sin_addr.s_addr)),
                u16::from_be(source.sin_port),
            ),
            local: None,
            at: None,
            overflows: None,
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        };
        let words = header.msg_hdr.msg_controllen.div_ceil(WORD).min(CONTROL);
        received.read_controls(&self.controls[at * CONTROL..][..words]);
        received
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Received<'_> {
    fn read_controls(&mut self, mut words: &[u64]) {
        const HEAD: usize = size_of::<libc::cmsghdr>() / WORD;
        const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_level) == WORD && HEAD == 2);
        while let [length, kind, content @ ..] = words {
            // Level and type share a word, the level first in memory.
            let [level, name] = halves(*kind);
            match (level as i32, name as i32, content) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, [seconds, nanoseconds, ..]) => {
                    let micros = *seconds as i64 * 1_000_000 + *nanoseconds as i64 / 1000;
                    self.at = Some(Timestamp::from_micros(micros));
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO, [first, second, ..]) => {
                    // Interface and local address, then the address that it was sent to.
                    let (local, to) = (halves(*first)[1], halves(*second)[0]);
                    self.local = (local == to).then(|| Ipv4Addr::from_bits(u32::from_be(to)));
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, [count, ..]) => {
                    self.overflows = Some(halves(*count)[0]);
                }
                _ => {}
            }
            let size = usize::try_from(*length).unwrap_or(usize::MAX).div_ceil(WORD);
            words = words.get(size.max(HEAD)..).unwrap_or_default();
        }
    }
}

/// In the order in which they lie in memory.
fn halves(word: u64) -> [u32; 2] {
    let bytes = word.to_ne_bytes();
    let half = |at| u32::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]));
    [half(0), half(4)]
}
