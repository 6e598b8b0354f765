//! Between what makes configurations, the streams that send them, and those who wait for verdicts: bells, which say that there is something new and
//! never what.

use common::Generation;
use std::sync::Arc;
use tokio::sync::{Notify, watch};

#[derive(Clone)]
pub struct Configurations {
    newest: watch::Sender<Generation>,
    verdicts: watch::Sender<u64>,
    pass: Arc<Notify>,
}

impl Default for Configurations {
    fn default() -> Self {
        Self {
            newest: watch::Sender::new(Generation::default()),
            verdicts: watch::Sender::new(0),
            pass: Arc::default(),
        }
    }
}

impl Configurations {
    /// A pass has ended, here or in another region; streams look when this is newer than what they sent.
    pub fn publish(&self, generation: Generation) {
        self.newest.send_if_modified(|newest| {
            let is_news = generation > *newest;
            *newest = generation.max(*newest);
            is_news
        });
    }

    pub fn published(&self) -> watch::Receiver<Generation> {
        self.newest.subscribe()
    }

    /// A rack has said something of its scopes, in this process.
    pub fn hear(&self) {
        self.verdicts.send_modify(|count| *count += 1);
    }

    pub fn verdicts(&self) -> watch::Receiver<u64> {
        self.verdicts.subscribe()
    }

    /// Asks for a pass now; several asked at once are one.
    pub fn nudge(&self) {
        self.pass.notify_one();
    }

    pub async fn nudged(&self) {
        self.pass.notified().await;
    }
}
