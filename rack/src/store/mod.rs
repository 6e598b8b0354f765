//! What a rack keeps on its disk: who it is, what it was told, and (in `leases`) what it promised.

pub mod boot_files;
pub mod durable;
pub mod facts;
pub mod identity;
pub mod leases;
pub mod marks;
pub mod scopes;

use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, chown},
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}: another hostler-rack is running on this state directory", path.display())]
    InUse { path: PathBuf },
    #[error("{}: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }
}

/// The state directory, held by this process alone until it is dropped.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    _lock: Flock<File>,
}

impl StateDirectory {
    /// Makes it where it is missing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let lock = path.join("lock");
        let file = File::create(&lock).map_err(StoreError::io(&lock))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| StoreError::InUse { path: path.into() })?;
        Ok(Self { path: path.into(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A folder that nobody but the rack may read; it belongs to whom the folder around it belongs to.
fn make_private(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.and_then(|()| {
        let around = path.parent().map(fs::metadata).transpose()?;
        let owner = around.map(|around| (around.uid(), around.gid())).filter(|(uid, _)| *uid != 0);
        owner.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
    })
    .map_err(StoreError::io(path))
}

/// `None`: there is no such file.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_a_state_directory() {
        let folder = tempfile::tempdir().unwrap();
        let held = StateDirectory::open(folder.path()).unwrap();
        let second = StateDirectory::open(folder.path()).unwrap_err();
        assert!(second.to_string().contains("another hostler-rack"), "{second}");
        drop(held);
        StateDirectory::open(folder.path()).unwrap();
    }
}
