//! The wall clock of a process.

use common::Timestamp;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Tells the time and never an earlier one than before, whatever happens to the system's clock: a step back stands still until it is made up for.
#[derive(Clone, Debug)]
pub struct Clock {
    /// The latest time that was told.
    latest: Arc<AtomicI64>,
    system: bool,
}

impl Clock {
    pub fn system() -> Self {
        Self { latest: Arc::default(), system: true }
    }

    /// A clock that moves only by `set`.
    pub fn manual(now: Timestamp) -> Self {
        Self { latest: Arc::new(AtomicI64::new(now.micros())), system: false }
    }

    pub fn now(&self) -> Timestamp {
        let read = if self.system { system_micros() } else { i64::MIN };
        let before = self.latest.fetch_max(read, Ordering::Relaxed);
        Timestamp::from_micros(before.max(read))
    }

    /// Moves forward to `now`; also tells the system's clock of a time that is known to have passed.
    pub fn set(&self, now: Timestamp) {
        self.latest.fetch_max(now.micros(), Ordering::Relaxed);
    }
}

fn system_micros() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.map_or(0, |elapsed| i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_run_backwards() {
        let clock = Clock::system();
        let ahead = clock.now().shifted(3_600_000_000);
        clock.set(ahead);
        assert_eq!(clock.now(), ahead);
    }
}
