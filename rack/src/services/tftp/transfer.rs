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

/// Of one window, in bytes: what one client may make the server send for one small packet.
const WINDOW_BYTES: u32 = 128 << 10;
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
mod tests {
    use super::*;

    const ASKED: Options =
        Options { block_size: None, transfer_size: false, timeout: None, window_size: None };

    #[test]
    fn terms_are_what_is_asked_as_far_as_it_is_granted() {
        let with = |block_size, window_size| Options { block_size, window_size, ..ASKED };
        for (asked, block_size, window, acknowledged) in [
            (ASKED, 512, 1, vec![]),
            (with(Some(1428), None), 1428, 1, vec![("blksize", 1428)]),
            (with(None, Some(16)), 512, 16, vec![("windowsize", 16)]),
            (with(None, Some(65535)), 512, 64, vec![("windowsize", 64)]),
            (with(Some(65464), Some(64)), 65464, 2, vec![("blksize", 65464), ("windowsize", 2)]),
            (
                Options { transfer_size: true, timeout: Some(3), ..ASKED },
                512,
                1,
                vec![("tsize", 5000), ("timeout", 3)],
            ),
        ] {
            let (terms, options) = Terms::negotiate(&asked, 5000);
            assert_eq!((terms.block_size, terms.window), (block_size, window), "{asked:?}");
            assert_eq!(options, acknowledged, "{asked:?}");
        }
    }

    #[test]
    fn blocks_lie_in_the_file_one_after_the_other() {
        for (size, blocks, last) in
            [(0, 1, (0, 0)), (511, 1, (0, 511)), (512, 2, (512, 0)), (1025, 3, (1024, 1))]
        {
            let (terms, _) = Terms::negotiate(&ASKED, size);
            assert_eq!(terms.blocks(), blocks, "{size}");
            assert_eq!(terms.place(blocks), last, "{size}");
        }
    }

    /// What comes in, and what must come of it.
    #[derive(Clone, Copy)]
    enum In {
        Ack(u16),
        Error(u16),
        Unreachable,
        /// Seconds after the last.
        After(u64),
    }

    fn send(first: u64, last: u64) -> Step {
        Step::Send { first, last }
    }

    const DONE: Step = Step::End(Ending::Done);
    const FAILED: fn(Failure) -> Step = |failure| Step::End(Ending::Failed(failure));

    /// A file of 10 blocks of 512 bytes, the last one empty.
    fn check(case: &str, window: Option<u16>, first: Step, steps: &[(In, Step)]) -> Transfer {
        let asked = Options { window_size: window, ..ASKED };
        let (terms, options) = Terms::negotiate(&asked, 9 * 512);
        let mut now = Instant::now();
        let (mut transfer, step) = Transfer::new(terms, !options.is_empty(), now);
        assert_eq!(step, first, "{case}");
        for (at, (input, expected)) in steps.iter().enumerate() {
            let step = match input {
                In::Ack(number) => transfer.handle_acknowledgement(*number, now),
                In::Error(code) => transfer.handle_error(*code),
                In::Unreachable => transfer.handle_unreachable(),
                In::After(seconds) => {
                    now += Duration::from_secs(*seconds);
                    transfer.handle_timeout(now)
                }
            };
            assert_eq!(step, *expected, "{case}: step {at}");
        }
        transfer
    }

    #[test]
    fn lock_step() {
        let nothing = Step::Nothing;
        let all: Vec<(In, Step)> = (1..10)
            .map(|n| (In::Ack(n), send(u64::from(n) + 1, u64::from(n) + 1)))
            .chain([(In::Ack(10), DONE)])
            .collect();
        let transfer = check("all goes well", None, send(1, 1), &all);
        assert_eq!((transfer.delivered(), transfer.repeated), (9 * 512, 0));
        check(
            "a duplicate sends nothing",
            None,
            send(1, 1),
            &[(In::Ack(1), send(2, 2)), (In::Ack(1), nothing), (In::Ack(2), send(3, 3))],
        );
        check(
            "numbers of the past and of the future",
            None,
            send(1, 1),
            &[(In::Ack(0), nothing), (In::Ack(2), nothing), (In::Ack(65535), nothing)],
        );
        check(
            "a lost block goes out again",
            None,
            send(1, 1),
            &[(In::After(0), nothing), (In::After(1), send(1, 1)), (In::Ack(1), send(2, 2))],
        );
        check(
            "an error ends it",
            None,
            send(1, 1),
            &[(In::Ack(1), send(2, 2)), (In::Error(0), FAILED(Failure::Aborted))],
        );
        check(
            "a closed port ends it",
            None,
            send(1, 1),
            &[(In::Unreachable, FAILED(Failure::Aborted))],
        );
    }

    #[test]
    fn who_falls_silent_is_given_up() {
        let again = |step| move |seconds| (In::After(seconds), step);
        let first: Vec<_> = [1, 2, 4].map(again(send(1, 1))).into();
        let gone = (In::After(8), FAILED(Failure::TimedOut));
        check("never heard of", None, send(1, 1), &[first, vec![gone]].concat());
        let offers: Vec<_> = [1, 2, 4].map(again(Step::Offer)).into();
        check("never heard of, with options", Some(4), Step::Offer, &[offers, vec![gone]].concat());
        let later: Vec<_> = [1, 2, 4, 8, 8].map(again(send(2, 2))).into();
        let begun = vec![(In::Ack(1), send(2, 2))];
        check("in the middle", None, send(1, 1), &[begun, later, vec![gone]].concat());
    }

    #[test]
    fn windows() {
        let nothing = Step::Nothing;
        let begun = (In::Ack(0), send(1, 4));
        let transfer = check(
            "all goes well",
            Some(4),
            Step::Offer,
            &[begun, (In::Ack(4), send(5, 8)), (In::Ack(8), send(9, 10)), (In::Ack(10), DONE)],
        );
        assert_eq!(transfer.repeated, 0);
        let transfer = check(
            "the first block is lost: once again, whatever else says so",
            Some(4),
            Step::Offer,
            &[begun, (In::Ack(0), send(1, 4)), (In::Ack(0), nothing), (In::Ack(4), send(5, 8))],
        );
        assert_eq!(transfer.repeated, 4);
        let transfer = check(
            "one in the middle is lost",
            Some(4),
            Step::Offer,
            &[begun, (In::Ack(2), send(3, 6)), (In::Ack(2), nothing), (In::Ack(6), send(7, 10))],
        );
        assert_eq!(transfer.repeated, 2);
        check(
            "after silence a repeated acknowledgement counts again",
            Some(4),
            Step::Offer,
            &[
                begun,
                (In::Ack(0), send(1, 4)),
                (In::After(1), send(1, 4)),
                (In::Ack(0), send(1, 4)),
            ],
        );
        check(
            "the size is enough",
            Some(4),
            Step::Offer,
            &[(In::Error(8), Step::End(Ending::Probed))],
        );
        check(
            "acknowledging no options",
            Some(4),
            Step::Offer,
            &[(In::Ack(1), nothing), (In::After(1), Step::Offer)],
        );
        check(
            "the last acknowledgement is lost and the client gone",
            Some(16),
            Step::Offer,
            &[(In::Ack(0), send(1, 10)), (In::Unreachable, DONE)],
        );
    }

    #[test]
    fn block_numbers_begin_anew() {
        let (terms, _) = Terms::negotiate(&Options { block_size: Some(8), ..ASKED }, 8 * 70_000);
        let now = Instant::now();
        let (mut transfer, _) = Transfer::new(terms, false, now);
        for block in 1..=70_000_u64 {
            let step = transfer.handle_acknowledgement(block as u16, now);
            assert_eq!(step, send(block + 1, block + 1));
        }
        assert_eq!(transfer.handle_acknowledgement(70_001_u64 as u16, now), DONE);
    }

    /// Whatever comes in, what goes out lies in the window that RFC 7440 allows, and what is acknowledged never shrinks.
    #[test]
    fn any_numbers_keep_to_the_window() {
        let asked = Options { window_size: Some(8), block_size: Some(8), ..ASKED };
        let (terms, _) = Terms::negotiate(&asked, 8 * 1000);
        let now = Instant::now();
        let (mut transfer, _) = Transfer::new(terms, true, now);
        let (mut seed, mut delivered) = (1_u64, 0);
        for _ in 0..100_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let block = transfer.delivered() / 8;
            let number = (block as u16).wrapping_add((seed >> 60) as u16).wrapping_sub(2);
            match transfer.handle_acknowledgement(number, now) {
                Step::Send { first, last } => {
                    assert_eq!(first, transfer.delivered() / 8 + 1);
                    assert!(last >= first && last < first + 8 && last <= 1001);
                }
                Step::End(ending) => return assert_eq!(ending, Ending::Done),
                Step::Nothing | Step::Offer => {}
            }
            assert!(transfer.delivered() >= delivered);
            delivered = transfer.delivered();
        }
        panic!("it never ends");
    }
}
