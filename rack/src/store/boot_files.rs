//! Boot files on the rack's disk, each by its content's SHA-256.
//!
//! ```text
//! boot-files/DIGEST            whole, as it was when it was read through last
//! boot-files/DIGEST.partial    the beginning of one that is being fetched
//! ```
//! A file gets its name only when its content has that digest and is on the disk. At each start of the process every file is read through once before it is
//! served: what a disk has spoiled meanwhile is removed and fetched again, and no mark beside a file has to be believed.

use aws_lc_rs::digest::{Context, SHA256};
use common::generation::Digest;
use nix::sys::statvfs::statvfs;
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{StoreError, durable, make_private};

/// A whole file. It is open as long as anybody serves it, whatever becomes of its name.
#[derive(Debug)]
pub struct StoredFile {
    pub file: File,
    pub size: u64,
    pub digest: Digest,
}

impl StoredFile {
    /// As a strong entity tag of HTTP: the content's own name.
    pub fn etag(&self) -> String {
        format!("\"{}\"", hex(&self.digest))
    }
}

/// The folder, and how much of the disk it may take.
#[derive(Clone, Debug)]
pub struct BootFileStore {
    folder: PathBuf,
    limit: u64,
    /// What is left free of the disk all the same, if it has so much.
    spared: u64,
}

/// Whether so many bytes more can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// Not within the store's limit, whatever is removed.
    BeyondLimit,
    /// Not on this disk; so many bytes are free, of which so many stay free.
    DiskFull {
        free: u64,
        spared: u64,
    },
}

/// Leases are most likely on the same disk, and nobody may be promised one that cannot be written down. Room for four of their segments.
const SPARED: u64 = 256 << 20;
/// Of a disk so small that this would be most of it: a part of the whole.
const SPARED_PART: u64 = 10;

/// How much is read at once while a digest is made.
const PIECE: usize = 1 << 20;
const PARTIAL: &str = "partial";

impl BootFileStore {
    pub fn open(folder: &Path, limit: u64) -> Result<Self, StoreError> {
        make_private(folder)?;
        Ok(Self { folder: folder.into(), limit, spared: SPARED })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Reads the file through; None where there is none. One with another content is removed.
    pub fn verify(&self, digest: &Digest, size: u64) -> Result<Option<StoredFile>, StoreError> {
        let path = self.path(digest);
        let Some(mut file) = open_if_there(&path)? else { return Ok(None) };
        let mut context = Context::new(&SHA256);
        let read = read_through(&mut file, &mut context).map_err(StoreError::io(&path))?;
        if read == size && context.finish().as_ref() == digest {
            return Ok(Some(StoredFile { file, size, digest: *digest }));
        }
        tracing::error!(path = %path.display(), "a boot file was spoiled on the disk; it is fetched again");
        durable::remove(&path).map_err(StoreError::io(&path))?;
        Ok(None)
    }

    /// What there is of a file that is being fetched.
    pub fn partial(&self, digest: &Digest, size: u64) -> Result<Partial, StoreError> {
        let path = self.path(digest).with_extension(PARTIAL);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let mut file = opened.map_err(StoreError::io(&path))?;
        let mut context = Context::new(&SHA256);
        let mut length = read_through(&mut file, &mut context).map_err(StoreError::io(&path))?;
        if length > size {
            file.set_len(0).map_err(StoreError::io(&path))?;
            (length, context) = (0, Context::new(&SHA256));
        }
        Ok(Partial { whole: self.path(digest), path, file, context, length, digest: *digest, size })
    }

    /// Removes what nobody names, the longest unused first, until so many bytes more fit, or nothing of that kind is left.
    pub fn make_room(&self, bytes: u64, named: &BTreeSet<Digest>) -> Result<Room, StoreError> {
        let mut files = self.files()?;
        files.sort_by_key(|file| file.used);
        let mut taken: u64 = files.iter().map(|file| file.size).sum();
        let mut unnamed = files.iter().filter(|file| !file.is_of(named));
        loop {
            let room = self.judge(taken.saturating_add(bytes), bytes)?;
            let Some(file) = unnamed.next().filter(|_| room != Room::Enough) else {
                return Ok(room);
            };
            durable::remove(&file.path).map_err(StoreError::io(&file.path))?;
            tracing::info!(path = %file.path.display(), "a boot file that is not configured any more made room");
            taken -= file.size;
        }
    }

    fn judge(&self, taken: u64, more: u64) -> Result<Room, StoreError> {
        if taken > self.limit {
            return Ok(Room::BeyondLimit);
        }
        let disk =
            statvfs(&self.folder).map_err(|error| StoreError::io(&self.folder)(error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.fragment_size());
        let free = bytes(disk.blocks_available());
        let spared = self.spared.min(bytes(disk.blocks()) / SPARED_PART);
        let fits = more.saturating_add(spared) <= free;
        Ok(if fits { Room::Enough } else { Room::DiskFull { free, spared } })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(hex(digest))
    }

    fn files(&self) -> Result<Vec<Listed>, StoreError> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(StoreError::io(&self.folder))? {
            let listed = entry.and_then(|entry| {
                let about = entry.metadata()?;
                let used = about.accessed().or_else(|_| about.modified())?;
                Ok(Listed { path: entry.path(), size: about.len(), used })
            });
            match listed {
                Ok(listed) if listed.is_ours() => files.push(listed),
                Ok(_) => {}
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StoreError::io(&self.folder)(error)),
            }
        }
        Ok(files)
    }
}

struct Listed {
    path: PathBuf,
    size: u64,
    used: SystemTime,
}

impl Listed {
    fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// What somebody else put here is not the store's to remove.
    fn is_ours(&self) -> bool {
        let stem = self.stem();
        stem.len() == 64 && stem.bytes().all(|digit| digit.is_ascii_hexdigit())
    }

    fn is_of(&self, named: &BTreeSet<Digest>) -> bool {
        named.iter().any(|digest| hex(digest) == self.stem())
    }
}

/// A file on its way.
pub struct Partial {
    whole: PathBuf,
    path: PathBuf,
    file: File,
    context: Context,
    length: u64,
    digest: Digest,
    size: u64,
}

impl Partial {
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn is_whole(&self) -> bool {
        self.length == self.size
    }

    /// More than the file has is refused: it would fill the disk.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let longer = self.length.saturating_add(bytes.len() as u64);
        if longer > self.size {
            let what = format!("region sent more than its {} bytes", self.size);
            return Err(StoreError::Damaged { path: self.path.clone(), what });
        }
        self.file.write_all_at(bytes, self.length).map_err(StoreError::io(&self.path))?;
        self.context.update(bytes);
        self.length = longer;
        Ok(())
    }

    /// The file under its name; or nothing, when what came is not what its digest says.
    pub fn finish(self) -> Result<StoredFile, StoreError> {
        let Self { whole, path, file, context, digest, size, .. } = self;
        if context.finish().as_ref() != digest {
            durable::remove(&path).map_err(StoreError::io(&path))?;
            let what = "region sent something else than its digest says".into();
            return Err(StoreError::Damaged { path, what });
        }
        if let Err(error) = file.sync_all() {
            // The next sync would say nothing of what this one could not write.
            durable::remove(&path).map_err(StoreError::io(&path))?;
            return Err(StoreError::io(&path)(error));
        }
        durable::rename(&path, &whole).map_err(StoreError::io(&whole))?;
        Ok(StoredFile { file, size, digest })
    }
}

/// The digest and the size of a file that is somebody else's.
pub fn digest_of(path: &Path) -> io::Result<(Digest, u64)> {
    let mut context = Context::new(&SHA256);
    let size = read_through(&mut File::open(path)?, &mut context)?;
    let digest = context.finish();
    let digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
    Ok((digest, size))
}

pub fn hex(digest: &Digest) -> String {
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

fn open_if_there(path: &Path) -> Result<Option<File>, StoreError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(path)(error)),
    }
}

fn read_through(file: &mut File, context: &mut Context) -> io::Result<u64> {
    let (mut buffer, mut length) = (vec![0; PIECE], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(read) => {
                context.update(&buffer[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> Digest {
        aws_lc_rs::digest::digest(&SHA256, bytes).as_ref().try_into().unwrap()
    }

    fn store(limit: u64) -> (tempfile::TempDir, BootFileStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = BootFileStore::open(&folder.path().join("boot-files"), limit).unwrap();
        (folder, store)
    }

    fn keep(store: &BootFileStore, bytes: &[u8]) -> StoredFile {
        let mut partial = store.partial(&digest(bytes), bytes.len() as u64).unwrap();
        partial.append(bytes).unwrap();
        partial.finish().unwrap()
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_whole_and_right() {
        let (_folder, store) = store(1000);
        let own = digest(b"kernel");
        let mut partial = store.partial(&own, 6).unwrap();
        partial.append(b"ker").unwrap();
        drop(partial);
        assert!(store.verify(&own, 6).unwrap().is_none(), "half of it is nothing");
        let mut partial = store.partial(&own, 6).unwrap();
        assert_eq!(partial.length(), 3, "it goes on where it was");
        assert!(partial.append(b"nels").is_err(), "more than it has");
        partial.append(b"nel").unwrap();
        assert!(partial.is_whole());
        assert_eq!(partial.finish().unwrap().size, 6);
        let mut kept = String::new();
        store.verify(&own, 6).unwrap().unwrap().file.read_to_string(&mut kept).unwrap();
        assert_eq!(kept, "", "read through to its end");
        assert_eq!(fs::read(store.path(&own)).unwrap(), b"kernel");
    }

    #[test]
    fn what_is_not_what_its_digest_says_is_never_served() {
        let (_folder, store) = store(1000);
        let own = digest(b"kernel");
        let mut partial = store.partial(&own, 6).unwrap();
        partial.append(b"kernal").unwrap();
        let error = partial.finish().err().unwrap().to_string();
        assert!(error.contains("something else"), "{error}");
        assert_eq!(store.partial(&own, 6).unwrap().length(), 0, "it begins anew");
        keep(&store, b"kernel");
        for spoiled in [&b"kernal"[..], b"ker", b"kernels", b""] {
            fs::write(store.path(&own), spoiled).unwrap();
            assert!(store.verify(&own, 6).unwrap().is_none(), "{}", spoiled.escape_ascii());
            assert!(!store.path(&own).exists());
        }
    }

    #[test]
    fn what_is_named_is_never_removed() {
        let (_folder, store) = store(100);
        let (old, named) = (keep(&store, &[1; 40]), keep(&store, &[2; 40]));
        let somebody_elses = store.folder().join("notes.txt");
        fs::write(&somebody_elses, [3; 80]).unwrap();
        let keeping: BTreeSet<Digest> = [named.digest].into();
        let room = |bytes| store.make_room(bytes, &keeping).unwrap();
        assert_eq!(room(20), Room::Enough, "it fits as it is");
        assert!(store.path(&old.digest).exists());
        assert_eq!(room(50), Room::Enough);
        assert!(!store.path(&old.digest).exists(), "the old one made room");
        assert_eq!(room(70), Room::BeyondLimit, "there is not so much");
        assert!(store.path(&named.digest).exists() && somebody_elses.exists());
        let mut bytes = [0; 40];
        old.file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [1; 40], "whoever serves it still can");
    }

    /// A limit beyond what the disk has must not keep for later what there is no room for now.
    #[test]
    fn a_disk_without_room_is_cleared_of_what_nobody_names() {
        let (_folder, mut store) = store(u64::MAX);
        let (old, named) = (keep(&store, &[1; 40]), keep(&store, &[2; 40]));
        let keeping: BTreeSet<Digest> = [named.digest].into();
        assert_eq!(store.make_room(20, &keeping).unwrap(), Room::Enough);
        assert!(store.path(&old.digest).exists());
        let all = u64::MAX / 2;
        let room = store.make_room(all, &keeping).unwrap();
        let Room::DiskFull { free, spared } = room else { panic!("{room:?}") };
        assert!(free < all && (1..=SPARED).contains(&spared), "{room:?}");
        assert!(!store.path(&old.digest).exists() && store.path(&named.digest).exists());
        store.spared = 0;
        assert_eq!(store.make_room(20, &keeping).unwrap(), Room::Enough);
    }

    /// What was written of a piece before the disk was full is the beginning of what is missing.
    #[test]
    fn a_piece_that_was_cut_short_is_gone_on_with() {
        let (_folder, store) = store(1000);
        let own = digest(b"kernel");
        let mut partial = store.partial(&own, 6).unwrap();
        partial.append(b"ke").unwrap();
        partial.file.write_all_at(b"rn", 2).unwrap();
        drop(partial);
        let mut partial = store.partial(&own, 6).unwrap();
        assert_eq!(partial.length(), 4);
        partial.append(b"el").unwrap();
        assert_eq!(partial.finish().unwrap().size, 6);
    }

    #[test]
    fn a_digest_is_written_as_people_write_it() {
        let empty = digest(b"");
        assert!(hex(&empty).starts_with("e3b0c44298fc1c14") && hex(&empty).len() == 64);
    }
}
