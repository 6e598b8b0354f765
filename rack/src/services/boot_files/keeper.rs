//! Brings the files that are configured to this rack, and puts each into the table once its content is known to be right.

use common::{
    generation::Digest,
    rack_config::boot::{BootFile, BootPath},
};
use runtime::{backoff::Backoff, tasks::Tasks, telemetry::Causes};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::File,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Content, Entry, Scripts, Table,
    fetch::{self, FetchError, Origin},
};
use crate::{
    services::boot::BootTable,
    store::{
        StoreError,
        boot_files::{BootFileStore, Room, StoredFile},
    },
};

/// Between attempts to get one file: soon at first, since region may only have been restarted.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

pub struct KeeperSettings {
    pub store: BootFileStore,
    /// Where on this machine files are that no region has.
    pub sources: BTreeMap<Digest, PathBuf>,
    /// Of HTTP boot.
    pub port: u16,
}

/// How far it is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub ready: usize,
    /// Those that are not here yet.
    pub awaited: Vec<BootPath>,
    /// Why one of them is not.
    pub trouble: Option<String>,
}

pub struct Keeper {
    settings: KeeperSettings,
    applied: watch::Receiver<Option<BootTable>>,
    origin: watch::Receiver<Option<Origin>>,
    table: watch::Sender<Arc<Table>>,
    progress: watch::Sender<Progress>,
    ready: HashMap<Digest, Arc<StoredFile>>,
    /// Looked for on the disk in vain.
    absent: HashSet<Digest>,
    failed: HashMap<Digest, Failed>,
}

struct Failed {
    backoff: Backoff,
    until: Instant,
    why: String,
}

enum Step {
    /// Read what the disk has of it.
    Verify(Digest, BootFile),
    /// Take the next piece from region.
    Fetch(Digest, BootFile, Origin),
    Wait(Option<Instant>),
}

type Outcome = Result<Option<StoredFile>, FetchError>;

impl Keeper {
    /// Keeps what is applied until shutdown; where the table and the progress are to be seen.
    pub fn start(
        settings: KeeperSettings,
        applied: watch::Receiver<Option<BootTable>>,
        origin: watch::Receiver<Option<Origin>>,
        tasks: &Tasks,
    ) -> (watch::Receiver<Arc<Table>>, watch::Receiver<Progress>) {
        let (table, shown) = watch::channel(Arc::default());
        let (progress, told) = watch::channel(Progress::default());
        let keeper = Self {
            settings,
            applied,
            origin,
            table,
            progress,
            ready: HashMap::new(),
            absent: HashSet::new(),
            failed: HashMap::new(),
        };
        let shutdown = tasks.shutdown();
        tasks.spawn("boot files", async move {
            tokio::select! {
                () = keeper.run() => {}
                () = shutdown.cancelled() => {}
            }
        });
        (shown, told)
    }

    async fn run(mut self) {
        self.follow();
        loop {
            match self.step() {
                Step::Verify(digest, file) => {
                    let store = self.settings.store.clone();
                    let source = self.settings.sources.get(&digest).cloned();
                    let work = fetch::on_disk(move || read(&store, source, &file));
                    let outcome = self.while_following(work).await;
                    self.verified(digest, outcome);
                }
                Step::Fetch(digest, file, origin) => {
                    let store = self.settings.store.clone();
                    let named = self.named();
                    let work = async move {
                        make_room(&store, named, &file).await?;
                        fetch::advance(&origin, &store, digest, file.size).await
                    };
                    let outcome = self.while_following(work).await;
                    self.fetched(digest, outcome);
                }
                Step::Wait(until) => {
                    let woken = async {
                        match until {
                            Some(until) => sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = woken => {}
                        changed = self.applied.changed() => if changed.is_err() { return },
                        changed = self.origin.changed() => if changed.is_err() { return },
                    }
                    self.follow();
                }
            }
        }
    }

    /// Does the work; a configuration that comes meanwhile is served at once.
    async fn while_following(&mut self, work: impl Future<Output = Outcome>) -> Outcome {
        tokio::pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => return outcome,
                Ok(()) = self.applied.changed() => self.follow(),
            }
        }
    }

    /// Turns to the newest configuration.
    fn follow(&mut self) {
        self.applied.mark_unchanged();
        let named = self.named();
        self.ready.retain(|digest, _| named.contains(digest));
        self.failed.retain(|digest, _| named.contains(digest));
        self.publish();
    }

    fn named(&self) -> BTreeSet<Digest> {
        self.wanted().into_keys().collect()
    }

    fn wanted(&self) -> BTreeMap<Digest, BootFile> {
        let applied = self.applied.borrow();
        let files = applied.iter().flat_map(|applied| applied.config.files().values());
        files.map(|file| (file.digest, file.clone())).collect()
    }

    /// The smallest first, since machines need a loader before they need an initrd.
    fn step(&self) -> Step {
        let mut missing: Vec<_> = self.wanted().into_iter().collect();
        missing.retain(|(digest, _)| !self.ready.contains_key(digest));
        missing.sort_by_key(|(digest, file)| (file.size, *digest));
        let now = Instant::now();
        let due =
            |digest: &Digest| self.failed.get(digest).is_none_or(|failed| failed.until <= now);
        let unread =
            missing.iter().find(|(digest, _)| !self.absent.contains(digest) && due(digest));
        if let Some((digest, file)) = unread {
            return Step::Verify(*digest, file.clone());
        }
        let origin = self.origin.borrow().clone();
        let fetchable = |digest: &Digest| !self.settings.sources.contains_key(digest);
        if let Some(origin) = origin
            && let Some((digest, file)) =
                missing.iter().find(|(digest, _)| fetchable(digest) && due(digest))
        {
            return Step::Fetch(*digest, file.clone(), origin);
        }
        let until = missing.iter().filter_map(|(digest, _)| self.failed.get(digest));
        Step::Wait(until.map(|failed| failed.until).min())
    }

    fn verified(&mut self, digest: Digest, outcome: Outcome) {
        let found = if matches!(outcome, Ok(Some(_))) { "hit" } else { "miss" };
        metrics::counter!("hostler_boot_files_cache_total", "outcome" => found).increment(1);
        match outcome {
            Ok(Some(file)) => self.have(digest, file),
            Ok(None) => {
                self.absent.insert(digest);
            }
            Err(error) => self.fail(digest, &error),
        }
        self.publish();
    }

    fn fetched(&mut self, digest: Digest, outcome: Outcome) {
        match outcome {
            Ok(Some(file)) => {
                metrics::counter!("hostler_boot_files_fetches_total", "outcome" => "done")
                    .increment(1);
                self.have(digest, file);
            }
            Ok(None) => {
                self.failed.remove(&digest);
            }
            Err(error) => {
                metrics::counter!("hostler_boot_files_fetches_total", "outcome" => "failed")
                    .increment(1);
                self.fail(digest, &error);
            }
        }
        self.publish();
    }

    fn have(&mut self, digest: Digest, file: StoredFile) {
        // The configuration may have changed meanwhile; then it is only in the cache.
        if self.wanted().contains_key(&digest) {
            self.ready.insert(digest, Arc::new(file));
        }
        self.failed.remove(&digest);
        self.absent.remove(&digest);
    }

    fn fail(&mut self, digest: Digest, error: &FetchError) {
        let why =
            if error.is_full() { "the disk is full".to_owned() } else { Causes(error).to_string() };
        let failed = self.failed.entry(digest).or_insert_with(|| Failed {
            backoff: Backoff::new(AGAIN.0, AGAIN.1),
            until: Instant::now(),
            why: String::new(),
        });
        failed.until = Instant::now() + failed.backoff.next();
        if failed.why != why {
            tracing::warn!(file = crate::store::boot_files::hex(&digest), error = %why, "a boot file is not here yet; it is tried again");
            failed.why = why;
        }
    }

    fn publish(&self) {
        let applied = self.applied.borrow();
        let files: BTreeMap<BootPath, Entry> = applied
            .iter()
            .flat_map(|applied| applied.config.files())
            .map(|(path, file)| (path.clone(), self.entry(file)))
            .collect();
        let awaited: Vec<BootPath> = files
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Awaited))
            .map(|(path, _)| path.clone())
            .collect();
        let trouble = self.failed.values().map(|failed| failed.why.clone()).min();
        let progress = Progress { ready: files.len() - awaited.len(), awaited, trouble };
        metrics::gauge!("hostler_boot_files", "state" => "ready").set(progress.ready as f64);
        metrics::gauge!("hostler_boot_files", "state" => "awaited")
            .set(progress.awaited.len() as f64);
        let scripts = applied.as_ref().map(|applied| Scripts {
            config: Arc::clone(&applied.config),
            port: self.settings.port,
        });
        self.table.send_replace(Arc::new(Table::new(files, scripts)));
        self.progress.send_if_modified(|shown| {
            let is_new = *shown != progress;
            *shown = progress;
            is_new
        });
    }

    fn entry(&self, file: &BootFile) -> Entry {
        match self.ready.get(&file.digest) {
            Some(stored) => Entry::Ready(Content::Stored(Arc::clone(stored))),
            None => Entry::Awaited,
        }
    }
}

/// Of the store; or a file of this machine's own, which is used as it is.
fn read(
    store: &BootFileStore,
    source: Option<PathBuf>,
    wanted: &BootFile,
) -> Result<Option<StoredFile>, StoreError> {
    let Some(path) = source else { return store.verify(&wanted.digest, wanted.size) };
    let file = File::open(&path).map_err(StoreError::io(&path))?;
    let size = file.metadata().map_err(StoreError::io(&path))?.len();
    if size != wanted.size {
        let what =
            format!("has {size} bytes now, and had {} when the rack was started", wanted.size);
        return Err(StoreError::Damaged { path, what });
    }
    Ok(Some(StoredFile { file, size, digest: wanted.digest }))
}

async fn make_room(
    store: &BootFileStore,
    named: BTreeSet<Digest>,
    file: &BootFile,
) -> Result<(), FetchError> {
    let (own, BootFile { digest, size }) = (store.clone(), file.clone());
    fetch::on_disk(move || {
        let left = size - own.partial(&digest, size)?.length();
        let what = match own.make_room(left, &named)? {
            Room::Enough => return Ok(()),
            Room::BeyondLimit => format!(
                "{left} bytes more do not fit into boot.cache-limit, {} bytes, beside what else is configured",
                own.limit()
            ),
            Room::DiskFull { free, spared } => format!(
                "the disk is full: {left} bytes more are needed and {free} are free, of which {spared} stay free for leases"
            ),
        };
        Err(StoreError::Damaged { path: own.folder().into(), what })
    })
    .await
}
