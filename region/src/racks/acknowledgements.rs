//! What a stream has to tell its rack of recorded facts. Only the latest of each class counts, so that none is lost on a rack that reads slowly.

use common::report::FactClass;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::Notify;

#[derive(Clone, Default)]
pub struct Acknowledgements(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    upto: Mutex<BTreeMap<FactClass, u64>>,
    news: Notify,
}

impl Acknowledgements {
    /// Everything of the class up to this number is recorded.
    pub fn note(&self, class: FactClass, number: u64) {
        self.0.upto.lock().unwrap_or_else(PoisonError::into_inner).insert(class, number);
        self.0.news.notify_one();
    }

    /// The next that is to be told. May be dropped while it waits.
    pub async fn next(&self) -> (FactClass, u64) {
        loop {
            let next = self.0.upto.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
            if let Some(next) = next {
                return next;
            }
            self.0.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_latest_of_each_class_is_told_once() {
        let told = Acknowledgements::default();
        for (class, number) in [(FactClass::Lease, 1), (FactClass::Boot, 7), (FactClass::Lease, 2)]
        {
            told.note(class, number);
        }
        assert_eq!(told.next().await, (FactClass::Lease, 2));
        assert_eq!(told.next().await, (FactClass::Boot, 7));
        let later = async {
            tokio::task::yield_now().await;
            told.note(FactClass::Lease, 2);
        };
        let (next, ()) = tokio::join!(told.next(), later);
        assert_eq!(next, (FactClass::Lease, 2), "also when it was told before");
    }
}
