//! Every task of a process, by name: owned, joined, and missed when it dies.

use std::{
    collections::BTreeMap,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of one process or of one test. A clone is the same set.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    /// How many tasks of each name run; says who is late at the end.
    running: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    failure: watch::Sender<Option<TaskFailure>>,
}

#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TaskFailure {
    #[error("task {0} panicked")]
    Panicked(&'static str),
    #[error("task {0} ended before it was asked to")]
    Ended(&'static str),
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            running: Arc::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// A task that lasts as long as the process: should it end before shutdown, `failed` says so.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.start(name, work, true);
    }

    /// A task for one connection, one call, one file: it may end at any time.
    pub fn spawn_brief(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.start(name, work, false);
    }

    /// Cancelled when the process is to end. Every long-lived task waits for it.
    pub fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// The first task that died; pending while all is well.
    pub async fn failed(&self) -> TaskFailure {
        let mut failure = self.failure.subscribe();
        let found = failure.wait_for(Option::is_some).await;
        let first = found.ok().and_then(|failure| failure.clone());
        first.expect("the sender lives in self, and waits for a failure")
    }

    /// Asks every task to end and waits for them; the names of those that did not by the limit.
    pub async fn close(&self, limit: Duration) -> Vec<&'static str> {
        self.shutdown.cancel();
        self.tracker.close();
        match tokio::time::timeout(limit, self.tracker.wait()).await {
            Ok(()) => Vec::new(),
            Err(_) => {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.iter().filter(|(_, count)| **count > 0).map(|(name, _)| *name).collect()
            }
        }
    }

    fn start(
        &self,
        name: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
        lasting: bool,
    ) {
        let own = self.clone();
        self.count(name, 1);
        self.tracker.spawn(async move {
            let panicked = CatchPanic(Box::pin(work)).await.is_err();
            own.count(name, -1);
            let failure = match panicked {
                true => TaskFailure::Panicked(name),
                false if lasting && !own.shutdown.is_cancelled() => TaskFailure::Ended(name),
                false => return,
            };
            tracing::error!(task = name, "{failure}");
            if lasting {
                own.failure.send_if_modified(|first| {
                    let is_first = first.is_none();
                    first.get_or_insert(failure);
                    is_first
                });
            }
        });
    }

    fn count(&self, name: &'static str, by: isize) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(name).or_default();
        *count = count.saturating_add_signed(by);
    }
}

struct CatchPanic<F>(Pin<Box<F>>);

impl<F: Future<Output = ()>> Future for CatchPanic<F> {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let step = AssertUnwindSafe(|| self.0.as_mut().poll(context));
        match std::panic::catch_unwind(step) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_death_is_noticed_and_named() {
        let tasks = Tasks::new();
        tasks.spawn_brief("call", async {});
        tasks.spawn("well", async { std::future::pending().await });
        tasks.spawn("writer", async { panic!("on purpose") });
        assert_eq!(tasks.failed().await, TaskFailure::Panicked("writer"));
        let early = Tasks::new();
        early.spawn("reader", async {});
        assert_eq!(early.failed().await, TaskFailure::Ended("reader"));
    }

    #[tokio::test]
    async fn close_waits_and_names_who_is_late() {
        let tasks = Tasks::new();
        let shutdown = tasks.shutdown();
        tasks.spawn("polite", async move { shutdown.cancelled().await });
        assert!(tasks.close(LIMIT).await.is_empty());
        let stuck = Tasks::new();
        stuck.spawn("stuck", std::future::pending());
        assert_eq!(stuck.close(Duration::from_millis(10)).await, ["stuck"]);
    }
}
