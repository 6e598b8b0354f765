//! Wrong tries to sign in, counted by name and by address. Kept in memory: a stranger's guess must not cause a write.

use common::Timestamp;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

#[derive(Clone, Default)]
pub struct Throttle(Arc<Mutex<HashMap<Subject, Tries>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    wrong: u32,
    last: Timestamp,
}

/// Microseconds that a pause lasts, and after which wrong tries are forgotten.
const PAUSE: i64 = 60 * 1_000_000;
/// Above this, those that are over are forgotten; what is left is bounded by what a minute of guessing can name.
const MANY: usize = 10_000;

impl Subject {
    /// Many people may share an address.
    fn allowed(&self) -> u32 {
        match self {
            Self::Name(_) => 5,
            Self::Address(_) => 20,
        }
    }
}

impl Throttle {
    /// How long none of these may try, in seconds; none when they may.
    pub fn paused(&self, subjects: &[Subject], now: Timestamp) -> Option<i64> {
        let tries = self.0.lock().expect("nothing panics while it holds this");
        let rest = |subject: &Subject| {
            let of = tries.get(subject).filter(|of| of.wrong >= subject.allowed())?;
            let rest = of.last.micros() + PAUSE - now.micros();
            (rest > 0).then(|| rest.div_euclid(1_000_000) + 1)
        };
        subjects.iter().filter_map(rest).max()
    }

    pub fn wrong(&self, subjects: &[Subject], now: Timestamp) {
        let mut tries = self.0.lock().expect("nothing panics while it holds this");
        let over = |of: &Tries| of.last.micros() + PAUSE <= now.micros();
        if tries.len() > MANY {
            tries.retain(|_, of| !over(of));
        }
        for subject in subjects {
            let of = tries.entry(subject.clone()).or_insert(Tries { wrong: 0, last: now });
            if over(of) {
                of.wrong = 0;
            }
            *of = Tries { wrong: of.wrong.saturating_add(1), last: now };
        }
    }

    pub fn right(&self, name: &Subject) {
        self.0.lock().expect("nothing panics while it holds this").remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tries_pause_the_name_and_later_the_address() {
        let throttle = Throttle::default();
        let (mira, address) =
            (Subject::Name("mira".into()), Subject::Address([192, 0, 2, 1].into()));
        let at = Timestamp::from_seconds;
        for second in 0..5 {
            assert_eq!(throttle.paused(&[mira.clone(), address.clone()], at(second)), None);
            throttle.wrong(&[mira.clone(), address.clone()], at(second));
        }
        // From the fifth wrong try on, for a minute; others from there may try.
        for (subject, second, expected) in [
            (&mira, 4, Some(61)),
            (&mira, 63, Some(2)),
            (&mira, 64, None),
            (&address, 4, None),
            (&Subject::Name("otto".into()), 4, None),
        ] {
            assert_eq!(throttle.paused(std::slice::from_ref(subject), at(second)), expected);
        }
        for second in 5..20 {
            let name = Subject::Name(format!("guess{second}"));
            throttle.wrong(&[name, address.clone()], at(second));
        }
        assert!(throttle.paused(std::slice::from_ref(&address), at(20)).is_some());
        throttle.right(&mira);
        assert_eq!(throttle.paused(&[mira], at(5)), None);
    }
}
