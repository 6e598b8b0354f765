//! The bells of other region processes on the same PostgreSQL.

use diesel::{PgConnection, connection::SimpleConnection};
use runtime::tasks::Tasks;
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Bell, Log};
use crate::db::{Conn, OpenError, Target};

/// How often the wire to PostgreSQL is looked at; no round trip.
const GLANCE: Duration = Duration::from_millis(10);
/// Until the next attempt to connect; the tail looks by itself meanwhile.
const AGAIN: Duration = Duration::from_secs(1);

/// One thread both hears and tells. It notifies outside the writers' transactions and once for many of them: NOTIFY inside one holds a lock of the whole
/// server across its commit.
pub(super) fn spawn(log: &Log, tasks: &Tasks) -> Result<(), OpenError> {
    let target = log.db.target().clone();
    if matches!(target, Target::Sqlite(_)) {
        return Ok(());
    }
    let bells = Bells { events: log.bell.clone(), requests: log.requests.clone() };
    let ending = Arc::new(AtomicBool::new(false));
    let (ended, end) = tokio::sync::oneshot::channel();
    let asked = ending.clone();
    thread::Builder::new().name("event bell".into()).spawn(move || {
        while !asked.load(Ordering::Acquire) {
            if let Err(error) = listen(&target, &bells, &asked) {
                tracing::debug!(%error, "other regions cannot be heard");
                thread::sleep(AGAIN);
            }
        }
        // Whoever waits for it is gone only with the process.
        let _ = ended.send(());
    })?;
    let shutdown = tasks.shutdown();
    tasks.spawn("event bell", async move {
        let mut end = end;
        tokio::select! {
            _ = &mut end => return,
            () = shutdown.cancelled() => ending.store(true, Ordering::Release),
        }
        let _ = end.await;
    });
    Ok(())
}

/// Each with the channel that carries it.
struct Bells {
    events: Arc<Bell>,
    requests: Arc<Bell>,
}

const EVENTS: &str = "hostler_events";
const REQUESTS: &str = "hostler_requests";

impl Bells {
    fn all(&self) -> [(&'static str, &Bell); 2] {
        [(EVENTS, &self.events), (REQUESTS, &self.requests)]
    }
}

fn listen(target: &Target, bells: &Bells, ending: &AtomicBool) -> Result<(), OpenError> {
    let Conn::Postgres(mut conn) = target.connect()? else { return Ok(()) };
    for (channel, bell) in bells.all() {
        conn.batch_execute(&format!("LISTEN {channel}"))?;
        // What happened before it listened.
        bell.sound();
    }
    while !ending.load(Ordering::Acquire) {
        for (channel, bell) in bells.all() {
            if bell.tell_others.swap(false, Ordering::AcqRel) {
                conn.batch_execute(&format!("NOTIFY {channel}"))?;
            }
        }
        let heard = heard(&mut conn)?;
        for (channel, bell) in bells.all() {
            if heard.contains(channel) {
                bell.sound();
            }
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}

/// The channels on which something came.
fn heard(conn: &mut PgConnection) -> Result<HashSet<String>, OpenError> {
    let notices = conn.notifications_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(notices.into_iter().map(|notice| notice.channel).collect())
}
