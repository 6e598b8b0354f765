//! What the tests of the boot servers have in common: a table of files, a server on loopback, and what it tells.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use common::rack_config::{BootConfig, BootParts};
use runtime::{clock::Clock, tasks::Tasks};
use std::{
    fs::File,
    net::SocketAddr,
    os::unix::fs::FileExt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    boot_events::{self, BootEvent, BootEvents, Step},
    boot_files::{Content, Entry, Scripts, StoredFile, Table},
    limits::Limits,
};

/// For whatever must come, on a machine that is busy with other things.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// A server that tests put on a stage.
pub(super) trait Staged: Sized {
    const LIMITS: Limits;

    fn within(
        limits: Limits,
        table: watch::Receiver<Arc<Table>>,
        events: BootEvents,
        tasks: &Tasks,
    ) -> Self;

    /// At a port of loopback that nobody else has at this moment.
    async fn listen_somewhere(&self) -> SocketAddr;

    /// How many clients it has.
    fn clients(&self) -> usize;
}

pub(super) struct Stage<S> {
    pub(super) service: S,
    pub(super) address: SocketAddr,
    pub(super) events: mpsc::Receiver<BootEvent>,
    table: watch::Sender<Arc<Table>>,
    _tasks: Tasks,
}

impl<S: Staged> Stage<S> {
    pub(super) async fn open(files: &[(&str, &[u8])]) -> Self {
        Self::within(S::LIMITS, files).await
    }

    pub(super) async fn within(limits: Limits, files: &[(&str, &[u8])]) -> Self {
        let tasks = Tasks::new();
        let (table, shown) = watch::channel(Arc::new(table(files)));
        let (events, told) = boot_events::channel(Clock::system());
        let service = S::within(limits, shown, events, &tasks);
        let address = service.listen_somewhere().await;
        Self { service, address, events: told, table, _tasks: tasks }
    }

    /// Serves these from now on.
    pub(super) fn show(&self, files: &[(&str, &[u8])]) {
        self.table.send_replace(Arc::new(table(files)));
    }

    /// As before any configuration.
    pub(super) fn show_nothing(&self) {
        self.table.send_replace(Arc::default());
    }

    /// Waits for the end of a transfer, or for a refusal.
    pub(super) async fn ending(&mut self) -> Step {
        let next = async {
            loop {
                let step = self.events.recv().await.unwrap().step;
                if !matches!(step, Step::Started { .. } | Step::Bytes { .. }) {
                    return step;
                }
            }
        };
        timeout(LIMIT, next).await.unwrap()
    }

    pub(super) async fn until_clients(&self, count: usize) {
        let end = Instant::now() + LIMIT;
        while self.service.clients() != count {
            assert!(Instant::now() < end, "{}, not {count}", self.service.clients());
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Bytes of which no two blocks are alike.
pub(super) fn content(size: usize) -> Vec<u8> {
    (0..size as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8).collect()
}

/// The files, one that has not come yet, and one that was made in memory.
fn table(files: &[(&str, &[u8])]) -> Table {
    let made = Content::Made(Bytes::from_static(b"#!ipxe\n"));
    let more = [("coming", Entry::Awaited), ("made", Entry::Ready(made))];
    let files = files.iter().map(|(path, bytes)| (*path, stored(bytes)));
    let files = files.chain(more).map(|(path, entry)| (path.parse().unwrap(), entry));
    let config = Arc::new(BootConfig::new(BootParts::default()).unwrap());
    Table::new(files.collect(), Some(Scripts { config, port: 7280 }))
}

fn stored(bytes: &[u8]) -> Entry {
    let file: File = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    let digest = digest(&SHA256, bytes).as_ref().try_into().unwrap();
    let size = bytes.len() as u64;
    Entry::Ready(Content::Stored(Arc::new(StoredFile { file, size, digest })))
}
