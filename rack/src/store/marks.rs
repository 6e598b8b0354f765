//! Single values that outlive the process: the incarnation, and the highest epoch seen.

use common::Epoch;
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::{StoreError, durable, read_if_there};

/// A file with one value in it, as text.
#[derive(Clone, Debug)]
pub struct Marks {
    folder: PathBuf,
}

impl Marks {
    pub fn new(state_directory: &Path) -> Self {
        Self { folder: state_directory.into() }
    }

    /// Which life of this rack's disk this is: region knows facts by it. Made where there is none.
    pub fn incarnation(&self) -> Result<Uuid, StoreError> {
        let path = self.folder.join("incarnation");
        if let Some(text) = read_text(&path)? {
            return text.parse().map_err(|_| damaged(&path, &text, "is no UUID"));
        }
        self.renew_incarnation()
    }

    /// For a disk that has less than region has heard from it: what it numbers from now on is new.
    pub fn renew_incarnation(&self) -> Result<Uuid, StoreError> {
        let incarnation = Uuid::new_v4();
        self.write("incarnation", &incarnation.to_string())?;
        Ok(incarnation)
    }

    /// The highest epoch of a region that this rack has followed; 0 before the first.
    pub fn epoch(&self) -> Result<Epoch, StoreError> {
        let path = self.folder.join("epoch");
        let Some(text) = read_text(&path)? else { return Ok(Epoch(0)) };
        text.parse().map(Epoch).map_err(|_| damaged(&path, &text, "is no epoch"))
    }

    pub fn save_epoch(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.write("epoch", &epoch.0.to_string())
    }

    fn write(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        durable::write(&path, format!("{value}\n").as_bytes()).map_err(StoreError::io(&path))
    }
}

fn read_text(path: &Path) -> Result<Option<String>, StoreError> {
    let bytes = read_if_there(path)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
}

fn damaged(path: &Path, text: &str, what: &str) -> StoreError {
    StoreError::Damaged { path: path.into(), what: format!("{text:?} {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::new(folder.path());
        let first = marks.incarnation().unwrap();
        assert_eq!(marks.incarnation().unwrap(), first);
        assert_ne!(marks.renew_incarnation().unwrap(), first);
        assert_eq!(marks.epoch().unwrap(), Epoch(0));
        marks.save_epoch(Epoch(7)).unwrap();
        assert_eq!(marks.epoch().unwrap(), Epoch(7));
        std::fs::write(folder.path().join("epoch"), "7\0\0").unwrap();
        let damaged = marks.epoch().unwrap_err().to_string();
        assert!(damaged.contains("epoch") && damaged.contains("is no epoch"), "{damaged}");
    }
}
