//! What changed last, by topic: one task reads the log for every open page, however many there are and however much happens.

use futures_util::FutureExt;
use runtime::backoff::Backoff;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::sync::watch;

use crate::{
    Region,
    db::DbError,
    events::{self, Cursor, Event, FollowError, Follower},
};

/// What has happened meanwhile is put up at once, at most so often: each time, every page has a look.
const REST: Duration = Duration::from_millis(20);

#[derive(Clone)]
pub(super) struct Bulletin(watch::Receiver<Board>);

#[derive(Debug, Default)]
pub(super) struct Board {
    /// Of what came up to here, nothing is known. None: nobody reads the log now.
    since: Option<Cursor>,
    /// Of any topic.
    newest: Option<Cursor>,
    /// Of each; there are as many as kinds of resource and beginnings of events.
    topics: BTreeMap<String, Cursor>,
}

/// What a page has to be told that has seen everything up to a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing, as far as is known.
    None,
    /// These topics, up to here.
    Changed(BTreeSet<String>, Cursor),
    /// It has to ask the log itself.
    Unknown,
}

impl Bulletin {
    pub(super) fn spawn(region: &Region) -> Self {
        let (to, from) = watch::channel(Board::default());
        let (tasks, region) = (region.tasks.clone(), region.clone());
        let shutdown = tasks.shutdown();
        tasks.spawn("console bulletin", async move {
            tokio::select! {
                () = keep(&region, &to) => {}
                () = shutdown.cancelled() => {}
            }
        });
        Self(from)
    }

    pub(super) fn news(&mut self, topics: &BTreeSet<String>, after: Cursor) -> News {
        self.0.borrow_and_update().news(topics, after)
    }

    /// May be dropped and called again. Pending for good once nobody writes any more, which is when region ends.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

async fn keep(region: &Region, to: &watch::Sender<Board>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        if let Err(error) = write(region, to, &mut backoff).await {
            tracing::debug!(%error, "open pages are not told of changes for a while");
        }
        to.send_replace(Board::default());
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Until the log cannot be read any more, or is another.
async fn write(
    region: &Region,
    to: &watch::Sender<Board>,
    backoff: &mut Backoff,
) -> Result<(), FollowError> {
    let since = region.db.read(|conn| Ok::<_, DbError>(events::horizon(conn)?.cursor)).await?;
    let mut follower = region.log.follow(since);
    to.send_replace(Board { since: Some(since), ..Board::default() });
    loop {
        let first = follower.next().await?;
        backoff.reset();
        let mut outcome = Ok(());
        to.send_modify(|board| {
            board.hear(&first);
            outcome = board.hear_all(&mut follower);
        });
        outcome?;
        tokio::time::sleep(REST).await;
    }
}

/// What changed: a kind of resource, else what the event's name begins with.
pub(super) fn topic(event: &Event) -> &str {
    match event.kind.as_str() {
        "" => event.name.split('.').next().unwrap_or_default(),
        kind => kind,
    }
}

/// The topic of a page that shows the log itself.
const ALL: &str = "event";

/// How a page that shows `topics` calls this one.
pub(super) fn called<'a>(topic: &'a str, topics: &BTreeSet<String>) -> Option<&'a str> {
    match topic {
        topic if topics.contains(topic) => Some(topic),
        _ => topics.contains(ALL).then_some(ALL),
    }
}

impl Board {
    fn hear(&mut self, event: &Event) {
        self.newest = self.newest.max(Some(event.cursor));
        match self.topics.get_mut(topic(event)) {
            Some(newest) => *newest = event.cursor,
            None => drop(self.topics.insert(topic(event).to_owned(), event.cursor)),
        }
    }

    /// As much as is there already.
    fn hear_all(&mut self, follower: &mut Follower) -> Result<(), FollowError> {
        while let Some(next) = follower.next().now_or_never() {
            self.hear(&*next?);
        }
        Ok(())
    }

    fn news(&self, topics: &BTreeSet<String>, after: Cursor) -> News {
        let Some(since) = self.since else { return News::None };
        if after < since || after.epoch != since.epoch {
            return News::Unknown;
        }
        let newer = self.topics.iter().filter(|(_, newest)| **newest > after);
        let changed: BTreeSet<String> =
            newer.filter_map(|(topic, _)| called(topic, topics)).map(str::to_owned).collect();
        match self.newest {
            Some(newest) if !changed.is_empty() => News::Changed(changed, newest),
            _ => News::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Epoch;

    #[test]
    fn a_page_is_told_of_what_it_shows_and_has_not_seen() {
        let at = |epoch, seq| Cursor { epoch: Epoch(epoch), xid: 0, seq };
        let topics = [("lease".to_owned(), at(1, 9)), ("subnet".to_owned(), at(1, 5))].into();
        let board = Board { since: Some(at(1, 2)), newest: Some(at(1, 9)), topics };
        let changed = |topics: &[&str]| {
            News::Changed(topics.iter().map(|topic| (*topic).to_owned()).collect(), at(1, 9))
        };
        for (shown, after, expected) in [
            (&["lease", "subnet"][..], at(1, 2), changed(&["lease", "subnet"])),
            (&["lease", "subnet"], at(1, 5), changed(&["lease"])),
            (&["subnet"], at(1, 5), News::None),
            (&["lease"], at(1, 9), News::None),
            (&["event"], at(1, 4), changed(&["event"])),
            (&["event", "lease"], at(1, 4), changed(&["event", "lease"])),
            (&["event", "lease"], at(1, 5), changed(&["lease"])),
            (&["lease"], at(1, 1), News::Unknown),
            (&["lease"], at(2, 9), News::Unknown),
        ] {
            let shown = shown.iter().map(|topic| (*topic).to_owned()).collect();
            assert_eq!(board.news(&shown, after), expected, "{shown:?} {after:?}");
        }
        assert_eq!(Board::default().news(&["lease".to_owned()].into(), at(1, 1)), News::None);
    }
}
