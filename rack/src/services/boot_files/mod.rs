//! What is served to machines that boot, by whatever protocol: an immutable table of paths, replaced as a whole. A transfer keeps what it began with.

use bytes::Bytes;
use common::{generation::Digest, rack_config::boot::BootPath};
use std::{collections::BTreeMap, fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// Every file by its path.
#[derive(Clone, Debug, Default)]
pub struct Table {
    files: BTreeMap<BootPath, Entry>,
}

/// A path of the configuration.
#[derive(Clone, Debug)]
pub enum Entry {
    Ready(Content),
    /// Its content is not on this rack yet.
    Awaited,
}

/// Bytes to serve; a clone is the same bytes.
#[derive(Clone, Debug)]
pub enum Content {
    Stored(Arc<StoredFile>),
    Made(Bytes),
}

/// A whole file on the disk. It is open as long as anybody serves it, whatever becomes of its name.
#[derive(Debug)]
pub struct StoredFile {
    pub file: File,
    pub size: u64,
    pub digest: Digest,
}

/// Why a path that was asked for is nothing that could be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path leads out of what is served")]
    Outside,
    #[error("the path is no text")]
    NotText,
}

impl Table {
    pub fn new(files: BTreeMap<BootPath, Entry>) -> Self {
        Self { files }
    }

    /// By a path as `clean` makes it.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        self.files.get(&path.parse::<BootPath>().ok()?)
    }

    /// How many of the files are there, and how many are not yet.
    pub fn counts(&self) -> (usize, usize) {
        let ready = self.files.values().filter(|entry| matches!(entry, Entry::Ready(_))).count();
        (ready, self.files.len() - ready)
    }
}

impl Content {
    pub fn size(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.size,
            Self::Made(bytes) => bytes.len() as u64,
        }
    }

    /// Fills the buffer from there on.
    pub fn read(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::Stored(stored) => stored.file.read_exact_at(buffer, at),
            Self::Made(bytes) => {
                let start = usize::try_from(at).map_err(io::Error::other)?;
                let end = start.saturating_add(buffer.len());
                let piece = bytes.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
                buffer.copy_from_slice(piece);
                Ok(())
            }
        }
    }
}

/// A path as firmware and loaders write it, in the table's form: they begin with slashes, double them, and some take DOS's.
pub fn clean(asked: &[u8]) -> Result<String, PathError> {
    let text = str::from_utf8(asked).map_err(|_| PathError::NotText)?;
    let parts = text.split(['/', '\\']).filter(|part| !matches!(*part, "" | "."));
    let parts: Vec<&str> = parts.collect();
    if parts.contains(&"..") {
        return Err(PathError::Outside);
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_never_climb() {
        for (asked, expected) in [
            (&b"a/b.efi"[..], Ok("a/b.efi")),
            (b"/a//b.efi", Ok("a/b.efi")),
            (b"./a/./b.efi", Ok("a/b.efi")),
            (b"\\boot\\x64\\wdsmgfw.efi", Ok("boot/x64/wdsmgfw.efi")),
            (b"", Ok("")),
            (b"a/..b", Ok("a/..b")),
            (b"../etc/passwd", Err(PathError::Outside)),
            (b"a/../../b", Err(PathError::Outside)),
            (b"a\\..\\b", Err(PathError::Outside)),
            (b"/..", Err(PathError::Outside)),
            (b"\xff\xfe", Err(PathError::NotText)),
        ] {
            let found = clean(asked);
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{}", asked.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        let content = Content::Made(Bytes::from_static(b"#!ipxe"));
        let files = [
            ("a/b".parse().unwrap(), Entry::Ready(content)),
            ("c".parse().unwrap(), Entry::Awaited),
        ];
        let table = Table::new(files.into());
        assert!(matches!(table.find("a/b"), Some(Entry::Ready(_))));
        assert!(matches!(table.find("c"), Some(Entry::Awaited)));
        for path in ["", "a", "a/b/c", "/a/b", "A/B", "../a/b", "a/b\0"] {
            assert!(table.find(path).is_none(), "{path}");
        }
        assert_eq!(table.counts(), (1, 1));
    }

    #[test]
    fn made_content_is_read_within_its_bounds() {
        let content = Content::Made(Bytes::from_static(b"0123"));
        let mut two = [0; 2];
        content.read(&mut two, 2).unwrap();
        assert_eq!(&two, b"23");
        for at in [3, 4, u64::MAX] {
            assert!(content.read(&mut two, at).is_err(), "{at}");
        }
    }
}
