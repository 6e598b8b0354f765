//! How the thread waits for packets: awake for a moment where clients answer at once, or else asleep.

use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use std::time::{Duration, Instant};

/// To fall asleep and to be woken takes longer than an answer from the same segment; in a virtual machine that is most of what a block costs, in time and in CPU.
const AWAKE: Duration = Duration::from_micros(50);
/// After so many moments in vain clients are too far away for it..
const IN_VAIN: u32 = 4;
/// ..and it is tried again once in so many waits.
const TRIED_AGAIN: u32 = 64;

/// Whether staying awake pays, which the last waits tell.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Waits in a row that no packet ended while it was awake.
    in_vain: u32,
}

impl Waiting {
    /// Until something is there or the patience is over. `answers`: clients have been sent something just now.
    pub(super) fn wait(
        &mut self,
        epoll: &Epoll,
        events: &mut [EpollEvent],
        answers: bool,
        patience: EpollTimeout,
    ) -> nix::Result<usize> {
        if answers && self.stays_awake() {
            let begun = Instant::now();
            while begun.elapsed() < AWAKE {
                let ready = epoll.wait(events, EpollTimeout::ZERO)?;
                if ready > 0 {
                    self.in_vain = 0;
                    return Ok(ready);
                }
            }
        }
        if answers {
            self.in_vain = self.in_vain.wrapping_add(1);
        }
        epoll.wait(events, patience)
    }

    fn stays_awake(&self) -> bool {
        self.in_vain < IN_VAIN || self.in_vain.is_multiple_of(TRIED_AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::{
        epoll::{EpollCreateFlags, EpollFlags},
        eventfd::EventFd,
    };

    struct Case {
        epoll: Epoll,
        waiting: Waiting,
    }

    impl Case {
        /// Waits so many times, and says in how many of them it stayed awake.
        fn wait(&mut self, times: usize, answers: bool, expected: usize) -> usize {
            let mut awake = 0;
            for _ in 0..times {
                awake += usize::from(answers && self.waiting.stays_awake());
                let mut events = [EpollEvent::empty()];
                let zero = EpollTimeout::ZERO;
                let ready = self.waiting.wait(&self.epoll, &mut events, answers, zero);
                assert_eq!(ready, Ok(expected));
            }
            awake
        }
    }

    #[test]
    fn who_answers_late_is_waited_for_asleep() {
        let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
        let event = EventFd::new().unwrap();
        epoll.add(&event, EpollEvent::new(EpollFlags::EPOLLIN, 0)).unwrap();
        let mut case = Case { epoll, waiting: Waiting::default() };
        assert_eq!(case.wait(100, false, 0), 0, "nobody was sent anything");
        assert_eq!(case.wait(4, true, 0), 4);
        assert_eq!(case.wait(60, true, 0), 0, "it does not pay");
        assert_eq!(case.wait(640, true, 0), 10, "once in a while it is tried");
        event.write(1).unwrap();
        assert_eq!(case.wait(100, true, 1), 100, "clients are back");
        event.read().unwrap();
        assert_eq!(case.wait(64, true, 0), 4);
    }
}
