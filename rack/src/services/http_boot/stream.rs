//! A connection on which files go from the disk's cache to the network without a copy: the HTTP library is handed a stand-in of the file's length, and where
//! it writes a piece of that stand-in, the kernel sends the same piece of the file.

use bytes::{Buf, Bytes};
use hyper::{
    body::{Body, Frame, SizeHint},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::rt::TokioIo;
use nix::{errno::Errno, sys::sendfile::sendfile64};
use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::Interest,
    net::TcpStream,
    time::{Sleep, sleep},
};

use crate::services::{
    boot_events::{Failure, Transfer},
    boot_files::StoredFile,
};

/// Never written, so it takes no memory; its length is the most that is sent at once.
static STAND_IN: [u8; 1 << 20] = [0; 1 << 20];
/// How long a client may take nothing before it is given up.
const STALLED: Duration = Duration::from_secs(30);

/// Pieces of files in the order in which their stand-ins were handed out; a connection writes them in the same order.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces(Arc<Mutex<VecDeque<Piece>>>);

/// Part of a file that is due on a connection.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) file: Arc<StoredFile>,
    pub(super) at: u64,
    pub(super) left: u64,
    pub(super) told: Transfer,
    pub(super) sent: u64,
}

/// What an answer carries.
#[derive(Debug)]
pub(super) enum Carried {
    Nothing,
    Text(Bytes),
    /// Handed to the pieces of its connection when its turn comes.
    File(Box<Piece>, Pieces),
}

/// Bytes for the HTTP library to write.
#[derive(Debug)]
pub(super) enum Data {
    Text(Bytes),
    StandIn(usize),
}

impl Body for Carried {
    type Data = Data;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, Infallible>>> {
        let data = match std::mem::replace(self.get_mut(), Self::Nothing) {
            Self::Nothing => return Poll::Ready(None),
            Self::Text(text) => Data::Text(text),
            Self::File(piece, pieces) => {
                let length = usize::try_from(piece.left).unwrap_or(usize::MAX);
                pieces.lock().push_back(*piece);
                Data::StandIn(length)
            }
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Nothing => 0,
            Self::Text(text) => text.len() as u64,
            Self::File(piece, _) => piece.left,
        })
    }
}

impl Buf for Data {
    fn remaining(&self) -> usize {
        match self {
            Self::Text(text) => text.remaining(),
            Self::StandIn(left) => *left,
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.chunk(),
            Self::StandIn(left) => &STAND_IN[..STAND_IN.len().min(*left)],
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Text(text) => text.advance(count),
            Self::StandIn(left) => *left -= count,
        }
    }
}

fn is_stand_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

impl Pieces {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Piece>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct Stream {
    tcp: TokioIo<TcpStream>,
    pieces: Pieces,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, pieces: Pieces) -> Self {
        Self { tcp: TokioIo::new(tcp), pieces, stalled: None }
    }

    /// Gives up who has taken nothing for long.
    fn within_patience<T>(
        &mut self,
        context: &mut Context<'_>,
        attempt: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.stalled = None;
            return attempt;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        ready!(stalled.as_mut().poll(context));
        if let Some(piece) = self.pieces.lock().pop_front() {
            piece.told.failed(piece.sent, Failure::TimedOut);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_file(&mut self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<usize>> {
        let tcp = self.tcp.inner();
        let mut pieces = self.pieces.lock();
        let Some(piece) = pieces.front_mut() else {
            return Poll::Ready(Err(io::Error::other("a stand-in without its file")));
        };
        let most = most.min(usize::try_from(piece.left).unwrap_or(usize::MAX));
        loop {
            ready!(tcp.poll_write_ready(context))?;
            let mut at = i64::try_from(piece.at).map_err(io::Error::other)?;
            let attempt = tcp.try_io(Interest::WRITABLE, || {
                match sendfile64(tcp, &piece.file.file, Some(&mut at), most) {
                    Ok(sent) => Ok(sent),
                    Err(Errno::EINTR) => Err(io::ErrorKind::WouldBlock.into()),
                    Err(error) => Err(error.into()),
                }
            });
            match attempt {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    piece.took(sent as u64);
                    if piece.left == 0
                        && let Some(piece) = pieces.pop_front()
                    {
                        piece.told.done(piece.sent);
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Piece {
    fn took(&mut self, count: u64) {
        self.at += count;
        self.left -= count;
        self.sent += count;
        self.told.progress(self.sent, Instant::now());
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let own = &mut *self;
        let mut slices = slices;
        while let [first, rest @ ..] = slices
            && first.is_empty()
        {
            slices = rest;
        }
        let texts = slices.iter().position(|slice| is_stand_in(slice)).unwrap_or(slices.len());
        let attempt = match slices.first() {
            Some(stand_in) if texts == 0 => own.poll_file(context, stand_in.len()),
            _ => Pin::new(&mut own.tcp).poll_write_vectored(context, &slices[..texts]),
        };
        own.within_patience(context, attempt)
    }

    /// Without it the stand-in would be copied, and sent.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
