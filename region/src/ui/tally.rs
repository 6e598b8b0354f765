//! What happened in each of the last minutes, as this process heard it; of the time before it started nothing is known.
//!
//! Events are heard of as they are written, whichever region writes them. Offers are no events: racks count them, each region keeps in the database what its
//! racks say, and every process looks there for what was added. So each knows of all racks, up to a quarter of a minute late.

use askama::{Template, filters::HtmlSafe};
use common::Timestamp;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Region,
    events::{Event, FollowError, Follower},
    operations::{fleet, rack},
};
use runtime::{backoff::Backoff, telemetry::Causes};
use uuid::Uuid;

/// An hour, one value a minute.
const MINUTES: usize = 60;
const MINUTE: i64 = 60 * 1_000_000;
/// Between two looks at what racks have counted, which they tell as often.
const LOOK: Duration = Duration::from_secs(5);

/// Shared by all pages; one task writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<Minutes>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) leases: u64,
    /// Of the racks that tell.
    pub(super) offers: u64,
}

#[derive(Debug, Default)]
struct Minutes {
    /// The minute of the last entry.
    newest: i64,
    counts: VecDeque<Counts>,
    /// How many offers each stream's rack had made at the last look.
    offers: HashMap<Uuid, u64>,
}

impl Tally {
    pub(super) fn spawn(region: &Region) -> Self {
        let (tally, region) = (Self::default(), region.clone());
        tally.minutes().reach(minute(region.clock.now()));
        let (own, tasks, shutdown) = (tally.clone(), region.tasks.clone(), region.tasks.shutdown());
        tasks.spawn("console tally", async move {
            tokio::select! {
                () = own.listen(&region) => {}
                () = own.watch_offers(&region) => {}
                () = shutdown.cancelled() => {}
            }
        });
        tally
    }

    async fn listen(&self, region: &Region) {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            if let Ok(follower) = region.log.follow_from_now().await {
                backoff.reset();
                let error = self.follow(follower).await;
                tracing::debug!(%error, "events are not counted for a while");
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    async fn follow(&self, mut follower: Follower) -> FollowError {
        loop {
            match follower.next().await {
                Ok(event) => self.minutes().count(&event),
                Err(error) => return error,
            }
        }
    }

    async fn watch_offers(&self, region: &Region) {
        loop {
            match region.read(&rack::system(), fleet::offers).await {
                Ok(offers) => self.minutes().count_offers(offers, region.clock.now()),
                Err(error) => tracing::debug!(error = %Causes(&error), "offers are counted later"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Minute by minute, the one that has begun last.
    pub(super) fn until(&self, now: Timestamp) -> Vec<Counts> {
        let mut minutes = self.minutes();
        minutes.reach(minute(now));
        minutes.counts.iter().copied().collect()
    }

    fn minutes(&self) -> MutexGuard<'_, Minutes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.micros().div_euclid(MINUTE)
}

impl Minutes {
    fn count(&mut self, event: &Event) {
        let at = minute(event.at);
        self.reach(at);
        // Older than the oldest, or from before this process: nobody shows it.
        let place = usize::try_from(self.newest - at).ok();
        let place = place.and_then(|back| self.counts.len().checked_sub(back + 1));
        if let Some(counts) = place.and_then(|place| self.counts.get_mut(place)) {
            counts.events += 1;
            counts.leases += u64::from(event.name == "lease.bound");
        }
    }

    /// What a stream begins with was made before, and is nothing new: at nobody knows which time.
    fn count_offers(&mut self, now: HashMap<Uuid, u64>, at: Timestamp) {
        let before = |stream: &Uuid, total: u64| self.offers.get(stream).map_or(total, |own| *own);
        let new = now.iter().map(|(own, total)| total.saturating_sub(before(own, *total)));
        let new = new.fold(0, u64::saturating_add);
        self.offers = now;
        self.reach(minute(at));
        if let Some(counts) = self.counts.back_mut() {
            counts.offers = counts.offers.saturating_add(new);
        }
    }

    /// Goes on to this minute; a minute in which nothing happened counts too.
    fn reach(&mut self, minute: i64) {
        if self.counts.is_empty() {
            self.newest = minute;
            self.counts.push_back(Counts::default());
        }
        // After a long pause, or a clock that was set, no more than an hour of nothing.
        self.newest = self.newest.max(minute - MINUTES as i64);
        while self.newest < minute {
            self.newest += 1;
            self.counts.push_back(Counts::default());
        }
        while self.counts.len() > MINUTES {
            self.counts.pop_front();
        }
    }
}

/// A line without axes beside the number that it is the past of.
#[derive(Clone, Debug, Template)]
#[template(
    source = r#"<svg width="72" height="22" viewBox="0 0 72 22" role="img" aria-label="{{ said }}"><polyline class="spark" points="{{ points }}"/></svg>"#,
    ext = "html"
)]
pub(super) struct Spark {
    points: String,
    said: String,
}

impl HtmlSafe for Spark {}

impl Spark {
    /// None: two minutes make no line yet.
    pub(super) fn of(values: &[u64]) -> Option<Self> {
        // The minute that has begun would always end in a fall.
        let values = values.get(..values.len().checked_sub(1)?)?;
        let most = values.iter().copied().max().filter(|_| values.len() > 2)?;
        let step = 72.0 / (values.len() - 1) as f64;
        let height = |value: u64| 20.0 - 18.0 * value as f64 / most.max(1) as f64;
        let points = values.iter().enumerate();
        let points: Vec<String> = points
            .map(|(at, value)| format!("{:.1},{:.1}", at as f64 * step, height(*value)))
            .collect();
        let said = format!("each of the last {} minutes, at most {most}", values.len());
        Some(Self { points: points.join(" "), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tally: &Minutes) -> Vec<u64> {
        tally.counts.iter().map(|counts| counts.events).collect()
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut minutes = Minutes::default();
        minutes.reach(100);
        minutes.counts[0].events = 7;
        minutes.reach(102);
        assert_eq!(counts(&minutes), [7, 0, 0]);
        minutes.reach(101);
        assert_eq!(counts(&minutes), [7, 0, 0], "time does not go back");
        minutes.reach(159);
        assert_eq!((minutes.counts.len(), counts(&minutes)[0]), (60, 7));
        minutes.reach(160);
        assert_eq!((minutes.counts.len(), counts(&minutes)[0]), (60, 0));
        minutes.reach(1_000_000_000);
        assert_eq!((minutes.counts.len(), minutes.newest), (60, 1_000_000_000));
    }

    #[test]
    fn offers_are_what_a_rack_has_added_since_the_last_look() {
        let mut minutes = Minutes::default();
        // In which minute, what each stream's rack has counted, and what is shown then.
        for (at, totals, expected) in [
            (0, &[(1, 500)][..], &[0][..]),
            (0, &[(1, 503)], &[3]),
            (1, &[(1, 510), (2, 90)], &[3, 7]),
            (1, &[(1, 510), (2, 91)], &[3, 8]),
            // The rack started anew, or only its stream did.
            (2, &[(1, 510), (3, 40)], &[3, 8, 0]),
            (2, &[(1, 4), (3, 41)], &[3, 8, 1]),
            (2, &[(1, 6), (3, 41)], &[3, 8, 3]),
            // Nobody tells any more; and somebody who tells nonsense.
            (3, &[], &[3, 8, 3, 0]),
            (3, &[(1, 0), (2, 0)], &[3, 8, 3, 0]),
            (3, &[(1, u64::MAX), (2, u64::MAX)], &[3, 8, 3, u64::MAX]),
        ] {
            let totals = totals.iter().map(|(stream, total)| (Uuid::from_u128(*stream), *total));
            minutes.count_offers(totals.collect(), Timestamp::from_seconds(60 * at));
            let shown: Vec<u64> = minutes.counts.iter().map(|counts| counts.offers).collect();
            assert_eq!(shown, expected, "in minute {at}");
        }
    }

    #[test]
    fn a_line_needs_some_minutes() {
        for (values, expected) in [
            (&[][..], None),
            (&[1, 2, 3], None),
            (&[0, 0, 0, 9], Some("0.0,20.0 36.0,20.0 72.0,20.0")),
            (&[0, 5, 10, 2], Some("0.0,20.0 36.0,11.0 72.0,2.0")),
        ] {
            let points = Spark::of(values).map(|spark| spark.points);
            assert_eq!(points.as_deref(), expected, "{values:?}");
        }
    }
}
