//! Files that are whole after a power cut: the old content or the new, never a piece of either.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::Path,
};

/// What a temporary file is called beside the one that it will replace.
pub(super) const UNFINISHED: &str = "unfinished";

/// Writes a new file beside `path`, syncs it, puts it in place and syncs the directory. Readable by its owner only.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = path.with_added_extension(UNFINISHED);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    belong(&file, path)?;
    file.write_all(content)?;
    file.sync_all()?;
    rename(&unfinished, path)
}

/// What root makes in the state directory (by `hostler-rack join`) is the service's, whoever that runs as.
fn belong(file: &File, path: &Path) -> io::Result<()> {
    let own = file.metadata()?;
    let folder = fs::metadata(folder_of(path))?;
    if (own.uid(), own.gid()) == (folder.uid(), folder.gid()) || own.uid() != 0 {
        return Ok(());
    }
    fchown(file, Some(folder.uid()), Some(folder.gid()))
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_directory_of(to)
}

/// What is not there is removed already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_directory_of(path),
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
