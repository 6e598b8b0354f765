//! Requests of one stream that wait for their answers.

use common::request::{Answer, Request};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// A request on its way to a rack's stream.
pub struct Asked {
    pub request: Request,
    pub deadline: Duration,
    pub answer: oneshot::Sender<Answer>,
}

/// By id, which the stream numbers; dropped with the stream, whereupon each asker learns that nothing is known.
#[derive(Clone, Default)]
pub struct Pending(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    last: u64,
    answers: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Pending {
    pub fn enter(&self, answer: oneshot::Sender<Answer>) -> u64 {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Askers that gave up leave their senders behind.
        waiting.answers.retain(|_, answer| !answer.is_closed());
        waiting.last += 1;
        let id = waiting.last;
        waiting.answers.insert(id, answer);
        id
    }

    /// An answer that nobody waits for any more is dropped.
    pub fn answer(&self, id: u64, answer: Answer) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asker) = waiting.answers.remove(&id) {
            let _ = asker.send(answer);
        }
    }
}
