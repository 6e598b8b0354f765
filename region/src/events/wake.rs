//! The bells of other region processes on the same PostgreSQL.

use diesel::{PgConnection, connection::SimpleConnection};
use runtime::tasks::Tasks;
use std::{
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
    let (bell, ending) = (log.bell.clone(), Arc::new(AtomicBool::new(false)));
    let (ended, end) = tokio::sync::oneshot::channel();
    let asked = ending.clone();
    thread::Builder::new().name("event bell".into()).spawn(move || {
        while !asked.load(Ordering::Acquire) {
            if let Err(error) = listen(&target, &bell, &asked) {
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

fn listen(target: &Target, bell: &Bell, ending: &AtomicBool) -> Result<(), OpenError> {
    let Conn::Postgres(mut conn) = target.connect()? else { return Ok(()) };
    conn.batch_execute("LISTEN hostler_events")?;
    // What happened before it listened.
    bell.sound();
    while !ending.load(Ordering::Acquire) {
        if bell.tell_others.swap(false, Ordering::AcqRel) {
            conn.batch_execute("NOTIFY hostler_events")?;
        }
        if heard(&mut conn)? {
            bell.sound();
        }
        thread::sleep(GLANCE);
    }
    Ok(())
}

fn heard(conn: &mut PgConnection) -> Result<bool, OpenError> {
    let notices = conn.notifications_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(!notices.is_empty())
}
