//! Figures that region is told now and then.

use common::report::{FactClass, RackCounts, Waiting};
use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};

use super::outbox::Outbox;

/// How old what region knows may be; each telling crosses the network, and region keeps it.
const EVERY: Duration = Duration::from_secs(5);

/// What this process counts, whether region is there or not.
#[derive(Debug)]
pub struct Counts {
    offers: watch::Receiver<u64>,
    backlogs: Mutex<Vec<Backlog>>,
    told: watch::Sender<RackCounts>,
}

/// The facts of one class that region does not have.
#[derive(Debug)]
struct Backlog {
    class: FactClass,
    newest: watch::Receiver<u64>,
    /// None: region has not said; what the disk knows of it may be old.
    recorded: Option<u64>,
    /// A fact that was not recorded then.
    mark: Option<(u64, Instant)>,
}

impl Counts {
    pub fn new(offers: watch::Receiver<u64>, outboxes: &[Outbox]) -> Self {
        let backlogs = outboxes.iter().map(|outbox| Backlog {
            class: outbox.class(),
            newest: outbox.newest(),
            recorded: None,
            mark: None,
        });
        let backlogs = Mutex::new(backlogs.collect());
        Self { offers, backlogs, told: watch::Sender::default() }
    }

    pub(super) fn told(&self) -> watch::Receiver<RackCounts> {
        self.told.subscribe()
    }

    /// Region has the facts of this class up to this number.
    pub(super) fn recorded(&self, class: FactClass, upto: u64) {
        let mut backlogs = self.backlogs();
        if let Some(own) = backlogs.iter_mut().find(|own| own.class == class) {
            own.recorded = Some(upto);
        }
    }

    /// Looks now and then.
    pub(super) async fn run(&self) -> Infallible {
        let mut turn = interval(EVERY);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.tell(turn.tick().await);
        }
    }

    /// Only what changed is news.
    fn tell(&self, now: Instant) {
        let counts = self.look(now);
        self.told.send_if_modified(|told| {
            let is_new = *told != counts;
            *told = counts;
            is_new
        });
    }

    fn look(&self, now: Instant) -> RackCounts {
        let mut backlogs = self.backlogs();
        let waiting = backlogs.iter_mut().filter_map(|own| Some((own.class, own.look(now)?)));
        RackCounts { waiting: waiting.collect(), offers: *self.offers.borrow() }
    }

    fn backlogs(&self) -> MutexGuard<'_, Vec<Backlog>> {
        self.backlogs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backlog {
    /// One mark in place of a time for each fact: while it is not recorded, something has waited since then; once it is, what waits came later.
    fn look(&mut self, now: Instant) -> Option<Waiting> {
        let (newest, recorded) = (*self.newest.borrow(), self.recorded?);
        self.mark = self.mark.filter(|(number, _)| *number > recorded);
        let facts = newest.saturating_sub(recorded);
        if facts == 0 {
            return Some(Waiting::default());
        }
        let (_, since) = *self.mark.get_or_insert((newest, now));
        Some(Waiting { facts, oldest: now.saturating_duration_since(since) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_as_old_as_the_mark_that_is_not_recorded() {
        let (newest, receiver) = watch::channel(40);
        let mut backlog =
            Backlog { class: FactClass::Lease, newest: receiver, recorded: None, mark: None };
        let start = Instant::now();
        // At which second, the newest on the disk, what region has recorded: how many wait, and for how long the oldest has.
        for (at, upto, recorded, expected) in [
            (0, 40, None, None),
            (5, 40, Some(40), Some((0, 0))),
            (10, 52, Some(40), Some((12, 0))),
            (15, 60, Some(51), Some((9, 5))),
            (20, 60, Some(52), Some((8, 0))),
            (3600, 90, Some(52), Some((38, 3580))),
            (3605, 90, Some(90), Some((0, 0))),
            // Region's database was put back.
            (3610, 90, Some(50), Some((40, 0))),
            (3615, 90, Some(50), Some((40, 5))),
            // The rack's disk was.
            (3620, 30, Some(50), Some((0, 0))),
        ] {
            newest.send_replace(upto);
            backlog.recorded = recorded;
            let found = backlog.look(start + Duration::from_secs(at));
            let found = found.map(|waiting| (waiting.facts, waiting.oldest.as_secs()));
            assert_eq!(found, expected, "at {at} s");
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let (offers, made) = watch::channel(0);
        let counts = Counts::new(made, &[]);
        let mut told = counts.told();
        for (made, expected) in [(&[][..], None), (&[7, 9], Some(9)), (&[9], None)] {
            for total in made {
                offers.send_replace(*total);
            }
            counts.tell(Instant::now());
            let news = told.has_changed().unwrap().then(|| told.borrow_and_update().offers);
            assert_eq!(news, expected, "after {made:?}");
        }
    }
}
