//! Blocks of one content on their way to one client's socket.

use nix::{
    errno::Errno,
    sys::socket::{ControlMessage, MsgFlags, sendmsg},
};
use std::{
    io::{self, IoSlice},
    net::UdpSocket,
    os::fd::AsRawFd,
};

use super::{
    packet::{DATA_HEAD, data_head},
    transfer::Terms,
};
use crate::services::boot_files::Content;

/// Read at once where blocks are small, so that few of them cost a system call of their own.
const READ_AHEAD: u64 = 64 << 10;
/// What one datagram may carry in IPv4, rounded down: also the most that the kernel takes for one segmented send.
const DATAGRAM: usize = 65_000;
/// Segments of one send; UDP_MAX_SEGMENTS of the oldest kernels that have them.
const SEGMENTS: usize = 64;
/// A datagram that fits into an Ethernet frame: larger ones are fragmented by IP, which excludes segmented sends.
const FRAME: usize = 1472;

#[derive(Debug)]
pub(super) struct Blocks {
    content: Content,
    /// A piece of the content, and where it lies.
    buffer: Vec<u8>,
    start: u64,
    /// The kernel cuts one large send into datagrams, which spares most of the cost of each, until it is found to refuse that.
    segmented: bool,
}

impl Blocks {
    pub(super) fn new(content: Content) -> Self {
        Self { content, buffer: Vec::new(), start: 0, segmented: true }
    }

    pub(super) fn size(&self) -> u64 {
        self.content.size()
    }

    /// Sends blocks from the first to the last. Those that the socket has no room for are lost, as on the wire.
    pub(super) fn send(
        &mut self,
        socket: &UdpSocket,
        terms: &Terms,
        first: u64,
        last: u64,
    ) -> io::Result<()> {
        let (start, _) = terms.place(first);
        let (last_start, last_length) = terms.place(last);
        let length = (last_start - start) as usize + last_length;
        self.load(start, length)?;
        let within = (start - self.start) as usize;
        let bytes = &self.buffer[within..within + length];
        if first == last {
            let head = data_head(first);
            transmit(socket, &[IoSlice::new(&head), IoSlice::new(bytes)], &[])?;
            return Ok(());
        }
        let whole = DATA_HEAD + usize::from(terms.block_size);
        let group =
            if self.segmented && whole <= FRAME { (DATAGRAM / whole).min(SEGMENTS) } else { 1 };
        let heads: Vec<_> = (first..=last).map(data_head).collect();
        let mut pieces = Vec::with_capacity(2 * group);
        let mut rest = bytes;
        for heads in heads.chunks(group) {
            pieces.clear();
            for head in heads {
                let (block, after) = rest.split_at(rest.len().min(terms.block_size.into()));
                pieces.extend([IoSlice::new(head), IoSlice::new(block)]);
                rest = after;
            }
            if send_group(socket, &pieces, whole, &mut self.segmented)? == Sent::NoRoom {
                break;
            }
        }
        Ok(())
    }

    fn load(&mut self, start: u64, length: usize) -> io::Result<()> {
        let end = self.start + self.buffer.len() as u64;
        if start >= self.start && start + length as u64 <= end {
            return Ok(());
        }
        let left = self.content.size().saturating_sub(start);
        let ahead = left.min(READ_AHEAD.max(length as u64));
        self.buffer.resize(ahead as usize, 0);
        self.start = start;
        self.content.read(&mut self.buffer, start).inspect_err(|_| self.buffer.clear())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    All,
    NoRoom,
}

/// One datagram of two pieces, or several that the kernel cuts apart.
fn send_group(
    socket: &UdpSocket,
    pieces: &[IoSlice<'_>],
    whole: usize,
    segmented: &mut bool,
) -> io::Result<Sent> {
    if pieces.len() > 2 && *segmented {
        let size = u16::try_from(whole).expect("it fits into a frame");
        match transmit(socket, pieces, &[ControlMessage::UdpGsoSegments(&size)]) {
            // The device cannot, or the path is narrower than a frame.
            Err(Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::EOPNOTSUPP) => {
                *segmented = false;
            }
            outcome => return Ok(outcome?),
        }
    }
    for datagram in pieces.chunks(2) {
        if transmit(socket, datagram, &[])? == Sent::NoRoom {
            return Ok(Sent::NoRoom);
        }
    }
    Ok(Sent::All)
}

fn transmit(
    socket: &UdpSocket,
    pieces: &[IoSlice<'_>],
    control: &[ControlMessage<'_>],
) -> nix::Result<Sent> {
    match sendmsg::<()>(socket.as_raw_fd(), pieces, control, MsgFlags::MSG_DONTWAIT, None) {
        Ok(_) => Ok(Sent::All),
        Err(Errno::EAGAIN | Errno::ENOBUFS) => Ok(Sent::NoRoom),
        Err(error) => Err(error),
    }
}
