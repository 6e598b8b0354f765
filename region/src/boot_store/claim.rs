//! Writing content: one at a time, whoever wants to, so that two who push the same do not meet in one file.

use aws_lc_rs::digest::{Context, SHA256};
use nix::sys::statvfs::statvfs;
use plan::boot_file::Sha256;
use std::{
    fs::TryLockError,
    io::{self, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};
use tokio::{
    fs::{self, File, OpenOptions},
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    sync::OwnedSemaphorePermit,
};

use super::{Received, Store, StoreError, failed, remove};

/// Another region may hold the lock, and nothing rings when that lets go.
const LOOK: Duration = Duration::from_millis(50);
/// What is read at once of a part that is taken up again.
const STEP: usize = 256 * 1024;

/// The right to write some content. Lost with the process, and by being dropped.
#[derive(Debug)]
pub struct Claim {
    store: Store,
    content: Sha256,
    /// `incoming/SHA256`, locked.
    file: File,
    received: Received,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Waits while somebody else writes this content: it may be there then.
    pub async fn claim(&self, content: Sha256) -> Result<Claim, StoreError> {
        let turn = self.pushes.clone().acquire_owned().await.expect("nobody closes it");
        loop {
            if let Some(mut claim) = self.try_claim(content).await? {
                claim._turn = Some(turn);
                return Ok(claim);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// None: somebody writes it now.
    pub async fn try_claim(&self, content: Sha256) -> Result<Option<Claim>, StoreError> {
        let path = self.incoming(content);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let opened = options.open(&path).await;
        let file = opened.map_err(|source| failed("opened", &path, source))?.into_std().await;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(failed("locked", &path, source)),
        }
        let file = File::from_std(file);
        // Whoever had the lock may have moved the file to its place, or removed it: then this is a lock on nothing.
        if !is_at(&file, &path).await.map_err(|source| failed("read", &path, source))? {
            return Ok(None);
        }
        let received = self.received(content).await?;
        Ok(Some(Claim { store: self.clone(), content, file, received, _turn: None }))
    }
}

async fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata().await?;
    match fs::metadata(path).await {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Claim {
    pub fn received(&self) -> Received {
        self.received
    }

    /// It is about to be named again.
    pub async fn use_again(&self) -> Result<(), StoreError> {
        remove(&self.store.unused(self.content)).await
    }

    /// Goes on with it at `offset`; what is there from then on is dropped.
    pub async fn resume(mut self, offset: u64, size: u64) -> Result<Upload, StoreError> {
        let received = match self.received {
            Received::Part(received) | Received::Whole(received) => received,
        };
        if offset > received {
            return Err(StoreError::Gap { received });
        }
        self.store.has_room(size.saturating_sub(received))?;
        let path = self.store.incoming(self.content);
        let read = |source| failed("read", &path, source);
        self.file.set_len(offset).await.map_err(read)?;
        let mut digest = Context::new(&SHA256);
        let (mut at, mut step) = (0, vec![0; STEP]);
        self.file.seek(SeekFrom::Start(0)).await.map_err(read)?;
        while at < offset {
            let some = self.file.read(&mut step).await.map_err(read)?;
            if some == 0 {
                return Err(StoreError::Gap { received: at });
            }
            digest.update(&step[..some]);
            at += some as u64;
        }
        Ok(Upload { claim: self, digest, at })
    }

    /// Gives it back; where nothing has come, nothing is left.
    pub async fn release(self) -> Result<(), StoreError> {
        match self.received {
            Received::Part(0) | Received::Whole(_) => {
                remove(&self.store.incoming(self.content)).await
            }
            Received::Part(_) => Ok(()),
        }
    }

    /// Removes what there is of the content.
    pub async fn forget(self) -> Result<(), StoreError> {
        remove(&self.store.whole(self.content)).await?;
        remove(&self.store.unused(self.content)).await?;
        remove(&self.store.incoming(self.content)).await
    }

    /// When the last part of it came.
    pub async fn last_written(&self) -> Option<std::time::SystemTime> {
        self.file.metadata().await.ok()?.modified().ok()
    }
}

impl Store {
    fn has_room(&self, missing: u64) -> Result<(), StoreError> {
        // A file system that does not say gets the benefit of the doubt.
        let Ok(about) = statvfs(&*self.folder) else { return Ok(()) };
        let free = about.blocks_available().saturating_mul(about.fragment_size());
        if missing <= free {
            return Ok(());
        }
        Err(StoreError::NoRoom { folder: self.folder.to_path_buf(), missing, free })
    }

    fn full(&self, what: &'static str, path: &Path, source: io::Error) -> StoreError {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        if full.contains(&source.kind()) {
            return StoreError::Full { folder: self.folder.to_path_buf() };
        }
        failed(what, path, source)
    }
}

/// Content that comes in.
pub struct Upload {
    claim: Claim,
    digest: Context,
    at: u64,
}

impl Upload {
    /// So many bytes of it have come.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub async fn write(&mut self, chunk: &[u8]) -> Result<(), StoreError> {
        let written = self.claim.file.write_all(chunk).await;
        written.map_err(|source| self.not_written(source))?;
        self.digest.update(chunk);
        self.at += chunk.len() as u64;
        Ok(())
    }

    /// No more comes now: what did is there for the next push.
    pub async fn keep(mut self) -> Result<(), StoreError> {
        let flushed = self.claim.file.flush().await;
        flushed.map_err(|source| self.not_written(source))
    }

    /// All of it has come. Only what has the right digest gets to its place, and only once it is on the disk.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        let synced = async {
            self.claim.file.flush().await?;
            self.claim.file.sync_all().await
        };
        synced.await.map_err(|source| self.not_written(source))?;
        let Self { claim, digest, .. } = self;
        let (store, content) = (&claim.store, claim.content);
        let digest = digest.finish();
        let found = digest.as_ref().try_into().expect("a SHA-256 has 32 bytes");
        let (incoming, whole) = (store.incoming(content), store.whole(content));
        if found != *content.bytes() {
            remove(&incoming).await?;
            return Err(StoreError::WrongDigest { found: Sha256::new(found) });
        }
        claim.use_again().await?;
        fs::rename(&incoming, &whole).await.map_err(|source| failed("moved", &whole, source))?;
        let folder = File::open(&*store.folder).await;
        let synced = async { folder?.sync_all().await };
        synced.await.map_err(|source| failed("synced", &store.folder, source))
    }

    fn not_written(&self, source: io::Error) -> StoreError {
        let store = &self.claim.store;
        store.full("written", &store.incoming(self.claim.content), source)
    }
}
