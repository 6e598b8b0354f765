//! How long to wait before the next attempt.

use std::time::Duration;

/// Doubles from `first` to `most`; each wait is drawn from its upper half, so that a hundred racks do not return in step.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
    random: fn() -> u64,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, next: first, random: system_random }
    }

    /// The wait before the next attempt.
    #[expect(clippy::should_implement_trait, reason = "it never ends and is no iterator")]
    pub fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = self.next.saturating_mul(2).min(self.most);
        let half = whole / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        half + Duration::from_nanos((self.random)() % nanos)
    }

    /// After an attempt that went well.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

fn system_random() -> u64 {
    let mut bytes = [0; 8];
    // Jitter that fails to be random is still a wait.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_begin_again() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff { random: || 0, ..Backoff::new(second, second * 5) };
        let halves: Vec<u128> = (0..5).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(halves, [500, 1000, 2000, 2500, 2500]);
        backoff.reset();
        assert_eq!(backoff.next(), second / 2);
    }

    #[test]
    fn a_wait_is_drawn_from_the_upper_half() {
        let second = Duration::from_secs(1);
        for _ in 0..100 {
            let wait = Backoff::new(second, second).next();
            assert!((second / 2..=second).contains(&wait), "{wait:?}");
        }
    }
}
