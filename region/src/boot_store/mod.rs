//! The content of boot files on disk, known by its SHA-256. Knows no names and no database.
//!
//! `SHA256` is whole, right and synced. `incoming/SHA256` is on its way, and locked by the one who writes it, in whichever region. `unused/SHA256` says
//! since when nothing names that content. Several regions may have one folder in common.

mod claim;
mod unused;

pub use claim::{Claim, Upload};

use plan::boot_file::Sha256;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    fs::{self, DirBuilder, File},
    sync::Semaphore,
};

/// Each holds a chunk or two in memory; beyond these, pushes wait their turn.
const PUSHES: usize = 32;

#[derive(Clone, Debug)]
pub struct Store {
    folder: Arc<Path>,
    pushes: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("region has no room for it: {missing} bytes are to come, and {free} are free where {} is", folder.display())]
    NoRoom { folder: PathBuf, missing: u64, free: u64 },
    #[error("the disk that {} is on is full", folder.display())]
    Full { folder: PathBuf },
    /// The content is another's.
    #[error("what came has the SHA-256 {found}")]
    WrongDigest { found: Sha256 },
    /// An upload cannot begin there.
    #[error("region has {received} bytes of it")]
    Gap { received: u64 },
    #[error("{}: cannot be {what}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// How much of some content is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Part(u64),
    /// All of it: so many bytes.
    Whole(u64),
}

impl Store {
    /// The folder is made when there is none; nobody else on the machine reads what is in it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Self { folder: folder.into(), pushes: Arc::new(Semaphore::new(PUSHES)) };
        for folder in
            [store.folder.to_path_buf(), store.folder.join(INCOMING), store.folder.join(UNUSED)]
        {
            let mut private = DirBuilder::new();
            private.recursive(true).mode(0o700);
            private.create(&folder).await.map_err(|source| failed("made", &folder, source))?;
        }
        Ok(store)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub async fn received(&self, content: Sha256) -> Result<Received, StoreError> {
        if let Some(size) = size(&self.whole(content)).await? {
            return Ok(Received::Whole(size));
        }
        Ok(Received::Part(size(&self.incoming(content)).await?.unwrap_or_default()))
    }

    /// To read it, with its size; None: it is not there.
    pub async fn read(&self, content: Sha256) -> Result<Option<(File, u64)>, StoreError> {
        let path = self.whole(content);
        let file = match File::open(&path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| failed("opened", &path, source))?,
        };
        let about = file.metadata().await.map_err(|source| failed("read", &path, source))?;
        Ok(Some((file, about.len())))
    }

    fn whole(&self, content: Sha256) -> PathBuf {
        self.folder.join(content.to_string())
    }

    fn incoming(&self, content: Sha256) -> PathBuf {
        self.folder.join(INCOMING).join(content.to_string())
    }

    fn unused(&self, content: Sha256) -> PathBuf {
        self.folder.join(UNUSED).join(content.to_string())
    }
}

const INCOMING: &str = "incoming";
const UNUSED: &str = "unused";

fn failed(what: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io { what, path: path.into(), source }
}

async fn size(path: &Path) -> Result<Option<u64>, StoreError> {
    match fs::metadata(path).await {
        Ok(about) => Ok(Some(about.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed("read", path, source)),
    }
}

async fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("removed", path, error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
