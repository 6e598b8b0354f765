//! What is served to machines that boot, by whatever protocol: an immutable table of paths, replaced as a whole. A transfer keeps what it began with.

mod fetch;
mod keeper;
mod neighbour;
#[cfg(test)]
mod tests;

pub use fetch::Origin;
pub use keeper::{Keeper, KeeperSettings, Progress};

use bytes::Bytes;
use common::{
    MacAddr,
    rack_config::{
        BootConfig,
        boot::{Architecture, BootPath},
    },
};
use engine::boot::script::{self, Asker};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::FileExt,
    sync::Arc,
};
use uuid::Uuid;

pub use crate::store::boot_files::StoredFile;

/// Every file by its path, and what scripts are made of.
#[derive(Clone, Debug, Default)]
pub struct Table {
    files: BTreeMap<BootPath, Entry>,
    scripts: Option<Scripts>,
}

#[derive(Clone, Debug)]
pub struct Scripts {
    pub config: Arc<BootConfig>,
    /// Of HTTP boot.
    pub port: u16,
}

/// A machine that asks for its script, as it said itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptFor {
    pub mac: Option<MacAddr>,
    pub uuid: Option<Uuid>,
    pub serial: String,
    pub architecture: Option<Architecture>,
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

/// Why a path that was asked for is nothing that could be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path leads out of what is served")]
    Outside,
    #[error("the path is no text")]
    NotText,
}

impl Table {
    pub fn new(files: BTreeMap<BootPath, Entry>, scripts: Option<Scripts>) -> Self {
        Self { files, scripts }
    }

    /// By a path as `clean` makes it.
    pub fn find(&self, path: &str) -> Option<&Entry> {
        self.files.get(&path.parse::<BootPath>().ok()?)
    }

    /// For iPXE. None: nothing was configured yet.
    pub fn script(&self, asked: &ScriptFor, peer: IpAddr, server: IpAddr) -> Option<Bytes> {
        let scripts = self.scripts.as_ref()?;
        let url = scripts.url(server);
        let asker = Asker {
            mac: asked.mac.or_else(|| neighbour::mac(peer)),
            uuid: asked.uuid,
            serial: &asked.serial,
            architecture: asked.architecture,
            address: peer,
            server,
            url: &url,
        };
        Some(script::ipxe(&scripts.config, &asker).into())
    }

    /// What is made for whoever asks: GRUB's configuration. GRUB first asks for one with its machine's MAC address in its name.
    pub fn made(&self, path: &str, peer: IpAddr, server: IpAddr) -> Option<Bytes> {
        let scripts = self.scripts.as_ref()?;
        let mac = match path.strip_prefix(GRUB_CONFIGURATION)? {
            "" => neighbour::mac(peer),
            // An Ethernet address after its hardware type; GRUB's other names are of no use, and after them it asks for the plain one.
            named => Some(named.strip_prefix("-01-")?.parse().ok()?),
        };
        let url = scripts.url(server);
        let asker = Asker {
            mac,
            uuid: None,
            serial: "",
            architecture: None,
            address: peer,
            server,
            url: &url,
        };
        Some(script::grub(&scripts.config, &asker).into())
    }

    /// How many of the files are there, and how many are not yet.
    pub fn counts(&self) -> (usize, usize) {
        let ready = self.files.values().filter(|entry| matches!(entry, Entry::Ready(_))).count();
        (ready, self.files.len() - ready)
    }
}

/// Where Debian's signed GRUB looks.
const GRUB_CONFIGURATION: &str = "grub/grub.cfg";

impl Scripts {
    fn url(&self, server: IpAddr) -> String {
        format!("http://{}/boot", SocketAddr::new(server, self.port))
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
mod table_tests {
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
        let table = Table::new(files.into(), None);
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
