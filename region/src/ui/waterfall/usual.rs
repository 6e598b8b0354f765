//! How long the stages of a machine's boots mostly take.

use proto::v1::{BootAttempt, BootAttemptStage};
use std::collections::HashMap;

use super::micros;

/// How long each stage took in boots that went well.
pub(super) struct Usual(HashMap<(String, usize), Vec<i64>>);

/// With fewer, nothing is usual.
const ENOUGH: usize = 3;

impl Usual {
    pub(super) fn of(earlier: &[BootAttempt]) -> Self {
        let mut known: HashMap<_, Vec<i64>> = HashMap::new();
        for attempt in earlier.iter().filter(|attempt| attempt.outcome == "finished") {
            for (at, pair) in attempt.stages.windows(2).enumerate() {
                let took = micros(pair[1].at).saturating_sub(micros(pair[0].at));
                let stage = (pair[0].step.clone(), place(&attempt.stages, at));
                known.entry(stage).or_default().push(took);
            }
        }
        known.values_mut().for_each(|took| took.sort_unstable());
        Self(known)
    }

    /// The median.
    pub(super) fn find(&self, step: &str, place: usize) -> Option<i64> {
        let took = self.0.get(&(step.to_owned(), place)).filter(|took| took.len() >= ENOUGH)?;
        took.get(took.len() / 2).copied()
    }
}

/// Which of the stages of its step this one is: there may be several initrds.
pub(super) fn place(stages: &[BootAttemptStage], at: usize) -> usize {
    stages[..at].iter().filter(|other| other.step == stages[at].step).count()
}
