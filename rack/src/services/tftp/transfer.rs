//! One transfer to one client, as its rules are: which blocks go out when, when they go out again, and how it ends. Knows no socket and no clock.
//!
//! Lock-step (RFC 1350) is a window of one block (RFC 7440). Three rules keep a lossy wire from making it worse:
//! - an acknowledgement that says nothing new sends nothing in lock-step, or each duplicate would double all that follows (the sorcerer's
//!   apprentice, RFC 1123 section 4.2.3.1);
//! - in a larger window it says that the first block was lost; then the window goes out again, but once only until something new is acknowledged;
//! - one for an older block, or for one that was never sent, says nothing at all.

use std::time::{Duration, Instant};

use super::packet::{Options, PLAIN_BLOCK};
use crate::services::boot_events::Failure;

/// Of one window, in bytes: what a client's socket takes at once with the system's usual buffer, beyond which the end of every window is lost.
const WINDOW_BYTES: u32 = 64 << 10;
/// Of one window: beyond this nothing is faster, and more is lost at a time.
const WINDOW_BLOCKS: u16 = 64;
/// Without the timeout option: what UEFI and iPXE wait, too, or longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// The wait doubles up to this.
const LONGEST: Duration = Duration::from_secs(8);
/// Unanswered sends of the same window before the client is given up; with the waits above some 20 seconds.
const ATTEMPTS: u32 = 6;
/// The same for who has not answered once: it may never have asked.
const FIRST_ATTEMPTS: u32 = 4;
/// RFC 2347: the client does not want what the options say.
const OPTIONS_REFUSED: u16 = 8;

/// What holds between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) block_size: u16,
    pub(super) window: u16,
    timeout: Duration,
    size: u64,
}

impl Terms {
    /// What is asked, as far as it is granted; and the options to acknowledge, none if none was asked for.
    pub(super) fn negotiate(asked: &Options, size: u64) -> (Self, Vec<(&'static str, u64)>) {
        let block_size = asked.block_size.unwrap_or(PLAIN_BLOCK);
        let fitting = (WINDOW_BYTES / u32::from(block_size)).clamp(1, WINDOW_BLOCKS.into());
        let fitting = u16::try_from(fitting).unwrap_or(WINDOW_BLOCKS);
        let window = asked.window_size.map(|asked| asked.min(fitting));
        let timeout = asked.timeout.map(|seconds| Duration::from_secs(seconds.into()));
        let granted = [
            asked.block_size.map(|size| ("blksize", size.into())),
            asked.transfer_size.then_some(("tsize", size)),
            asked.timeout.map(|seconds| ("timeout", seconds.into())),
            window.map(|blocks| ("windowsize", blocks.into())),
        ];
        let timeout = timeout.unwrap_or(PATIENCE);
        let terms = Self { block_size, window: window.unwrap_or(1), timeout, size };
        (terms, granted.into_iter().flatten().collect())
    }

    /// The last block is shorter than the others, and empty when the size is a multiple of theirs.
    fn blocks(&self) -> u64 {
        self.size / u64::from(self.block_size) + 1
    }

    /// Where in the file a block begins, and its length; blocks are counted from 1.
    pub(super) fn place(&self, block: u64) -> (u64, usize) {
        let start = (block - 1) * u64::from(self.block_size);
        let length = self.size.saturating_sub(start).min(self.block_size.into());
        (start, length as usize)
    }
}

/// What the server has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// The options again.
    Offer,
    /// These blocks, the first and the last.
    Send {
        first: u64,
        last: u64,
    },
    End(Ending),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// The client learned the size and wanted no more.
    Probed,
    Failed(Failure),
}

#[derive(Debug)]
pub(super) struct Transfer {
    terms: Terms,
    state: State,
    /// Unanswered sends in a row.
    attempts: u32,
    deadline: Instant,
    /// Blocks that were sent more than once.
    pub(super) repeated: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Options were sent; their acknowledgement is for block 0.
    Offered,
    Sending {
        acknowledged: u64,
        sent: u64,
        /// The window went out again because of an acknowledgement, and nothing new was acknowledged since.
        went_back: bool,
    },
}

impl Transfer {
    /// Begins, and says with what.
    pub(super) fn new(terms: Terms, with_options: bool, now: Instant) -> (Self, Step) {
        let deadline = now + terms.timeout;
        let state = State::Offered;
        let mut own = Self { terms, state, attempts: 1, deadline, repeated: 0 };
        let step = if with_options { Step::Offer } else { own.send_after(0, false, now) };
        (own, step)
    }

    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Bytes that have certainly arrived.
    pub(super) fn delivered(&self) -> u64 {
        match self.state {
            State::Offered => 0,
            State::Sending { acknowledged, .. } => {
                (acknowledged * u64::from(self.terms.block_size)).min(self.terms.size)
            }
        }
    }

    /// Nothing has been heard since the request, which anybody may have sent in the client's name.
    pub(super) fn is_half_open(&self) -> bool {
        matches!(self.state, State::Offered | State::Sending { acknowledged: 0, .. })
    }

    /// Nothing is to be done before, unless a packet comes.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn handle_acknowledgement(&mut self, number: u16, now: Instant) -> Step {
        let (acknowledged, sent, went_back) = match self.state {
            State::Offered if number == 0 => return self.send_after(0, false, now),
            State::Offered => return Step::Nothing,
            State::Sending { acknowledged, sent, went_back } => (acknowledged, sent, went_back),
        };
        // Numbers wrap around; a window is far smaller than their range, so the distance tells old from new.
        let news = u64::from(number.wrapping_sub(acknowledged as u16));
        if news > sent - acknowledged {
            return Step::Nothing;
        }
        if news > 0 {
            let acknowledged = acknowledged + news;
            if acknowledged == self.terms.blocks() {
                self.state = State::Sending { acknowledged, sent, went_back };
                return Step::End(Ending::Done);
            }
            // Part of a window: the client misses the next block, and will say so for each later one that arrives.
            return self.send_after(acknowledged, acknowledged < sent, now);
        }
        if self.terms.window == 1 || went_back {
            return Step::Nothing;
        }
        self.send_after(acknowledged, true, now)
    }

    /// The same request came again, before anything else was heard.
    pub(super) fn repeat(&mut self) -> Step {
        match self.state {
            State::Offered => Step::Offer,
            State::Sending { sent, .. } => {
                self.repeated += sent;
                Step::Send { first: 1, last: sent }
            }
        }
    }

    pub(super) fn handle_error(&mut self, code: u16) -> Step {
        let is_probe = self.state == State::Offered || code == OPTIONS_REFUSED;
        Step::End(if is_probe { Ending::Probed } else { Ending::Failed(Failure::Aborted) })
    }

    /// The client's host says that nobody listens there any more. After the last block that is a client that was satisfied and closed.
    pub(super) fn handle_unreachable(&mut self) -> Step {
        Step::End(if self.is_all_sent() { Ending::Done } else { Ending::Failed(Failure::Aborted) })
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Step {
        if now < self.deadline {
            return Step::Nothing;
        }
        let most = if self.is_half_open() { FIRST_ATTEMPTS } else { ATTEMPTS };
        if self.attempts >= most {
            return Step::End(Ending::Failed(Failure::TimedOut));
        }
        let attempts = self.attempts + 1;
        let step = match self.state {
            State::Offered => Step::Offer,
            // Whoever acknowledges again now may have lost this sending too.
            State::Sending { acknowledged, .. } => self.send_after(acknowledged, false, now),
        };
        self.attempts = attempts;
        let wait = self.terms.timeout * 2_u32.saturating_pow(attempts - 1);
        self.deadline = now + wait.min(LONGEST.max(self.terms.timeout));
        step
    }

    fn is_all_sent(&self) -> bool {
        matches!(self.state, State::Sending { sent, .. } if sent == self.terms.blocks())
    }

    fn send_after(&mut self, acknowledged: u64, went_back: bool, now: Instant) -> Step {
        let before = match self.state {
            State::Offered => 0,
            State::Sending { sent, .. } => sent,
        };
        let (first, window) = (acknowledged + 1, u64::from(self.terms.window));
        let last = (acknowledged + window).min(self.terms.blocks());
        self.repeated += before.min(last).saturating_sub(acknowledged);
        self.state = State::Sending { acknowledged, sent: last, went_back };
        self.attempts = 1;
        self.deadline = now + self.terms.timeout;
        Step::Send { first, last }
    }
}

#[cfg(test)]
mod tests;
