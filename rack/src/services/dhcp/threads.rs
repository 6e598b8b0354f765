//! The threads of the service: owned, joined and missed like tasks.

use engine::dhcp::Servers;
use runtime::tasks::Tasks;
use std::{io, sync::Arc, thread::Builder, time::Duration};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    Around, COMMANDS, Commands, DhcpService, Served,
    committing::Committer,
    deciding::{Command, Decider, Parts},
    meter::Meter,
    slot::Slot,
    status::Reporter,
};
use crate::{
    net::schedule,
    store::leases::{LeaseLog, LeaseOutbox, LogMonitor},
};

/// How long the last commits may take before those that wait for room on the disk are given up.
const LAST_COMMITS: Duration = Duration::from_secs(2);

/// Starts them around a log that was read back into `servers`.
pub(super) fn start(
    log: LeaseLog,
    servers: Servers,
    around: Around,
    tasks: &Tasks,
) -> io::Result<(DhcpService, LeaseOutbox)> {
    let Around { clock, wake, sightings } = around;
    let LeaseLog { writer, snapshots, outbox, monitor, damage, housekeeper, .. } = log;
    let meter = Arc::new(Meter::new());
    let slot = Arc::new(Slot::new(Arc::clone(&wake)));
    let (sender, commands) = mpsc::channel(COMMANDS);
    let decider = Decider::new(Parts {
        servers,
        clock,
        commands,
        wake: Arc::clone(&wake),
        slot: Arc::clone(&slot),
        snapshots,
        meter: Arc::clone(&meter),
        sightings,
    })?;
    let committer = Committer { slot, log: writer, meter: Arc::clone(&meter) };
    spawn(tasks, "lease log housekeeping", move || {
        if let Err(error) = schedule::normal_priority() {
            tracing::warn!(%error, "the lease log's housekeeping keeps its priority");
        }
        housekeeper.run()
    })?;
    let committed = spawn(tasks, "lease commits", move || committer.run())?;
    spawn(tasks, "dhcp", move || decider.run())?;
    let commands = Commands { sender, wake };
    end_with(tasks, commands.clone(), monitor.clone(), committed);
    let served: Arc<Mutex<Served>> = Arc::default();
    let (made, offers) = watch::channel(0);
    let reporter = Reporter {
        served: Arc::clone(&served),
        meter,
        monitor,
        outbox: outbox.clone(),
        offers: made,
        damage,
    };
    let status = reporter.start(tasks);
    Ok((DhcpService { commands, served, status, offers }, outbox))
}

/// At shutdown: no more packets, then the last commits, then the end of the log.
fn end_with(tasks: &Tasks, commands: Commands, monitor: LogMonitor, committed: Ended) {
    let shutdown = tasks.shutdown();
    tasks.spawn("dhcp shutdown", async move {
        shutdown.cancelled().await;
        commands.tell(Command::End).await;
        // In time or not: then the log ends.
        let _ = timeout(LAST_COMMITS, committed).await;
        monitor.end();
    });
}

/// Resolves when its thread has ended.
type Ended = oneshot::Receiver<()>;

/// Starts a thread that lasts as long as the process: should it end before shutdown, the process learns of it and ends.
fn spawn(
    tasks: &Tasks,
    name: &'static str,
    work: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<Ended> {
    let (alive, ended) = oneshot::channel::<()>();
    let (last, told) = oneshot::channel();
    Builder::new().name(name.into()).spawn(move || {
        // Dropped when the work is done, and when it panics.
        let _alive = alive;
        if let Err(error) = work() {
            tracing::error!(task = name, %error, "the rack cannot go on");
        }
    })?;
    tasks.spawn(name, async move {
        let _ = ended.await;
        // Nobody may wait for it.
        let _ = last.send(());
    });
    Ok(told)
}
