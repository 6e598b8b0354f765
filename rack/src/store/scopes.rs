//! What region told this rack, per scope: the newest that was offered, and the last that was good.
//!
//! `offered` becomes `good` by one rename after its verdict, so a scope has an `offered` file only while that is untried or refused.

use common::{Generation, generation::Digest, rack_config::ScopeName};
use prost::Message;
use proto::v1;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{StoreError, durable, make_private};

/// One generation of a scope, with its content as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub scope: ScopeName,
    pub generation: Generation,
    pub digest: Digest,
    /// Encoded `ScopeConfig`.
    pub content: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    pub offered: Option<Record>,
    pub good: Option<Record>,
}

/// All that could be read, and the files that could not be believed.
#[derive(Debug, Default)]
pub struct Loaded {
    pub scopes: BTreeMap<ScopeName, Kept>,
    pub damaged: Vec<StoreError>,
}

#[derive(Clone, Debug)]
pub struct ScopeStore {
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Offered,
    Good,
}

impl ScopeStore {
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        let folder = state_directory.join("scopes");
        make_private(&folder)?;
        Ok(Self { folder })
    }

    /// A damaged file concerns its own scope and no other: it is named and passed over.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        for entry in fs::read_dir(&self.folder).map_err(StoreError::io(&self.folder))? {
            let path = entry.map_err(StoreError::io(&self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == durable::UNFINISHED) {
                durable::remove(&path).map_err(StoreError::io(&path))?;
                continue;
            }
            match read(&path) {
                Ok((rank, record)) => {
                    let kept = loaded.scopes.entry(record.scope.clone()).or_default();
                    match rank {
                        Rank::Offered => kept.offered = Some(record),
                        Rank::Good => kept.good = Some(record),
                    }
                }
                Err(what) => loaded.damaged.push(StoreError::Damaged { path, what }),
            }
        }
        Ok(loaded)
    }

    pub fn save_offered(&self, record: &Record) -> Result<(), StoreError> {
        let path = self.path(&record.scope, Rank::Offered);
        durable::write(&path, &encode(record)).map_err(StoreError::io(&path))
    }

    /// What was offered has proved good.
    pub fn promote(&self, scope: &ScopeName) -> Result<(), StoreError> {
        let offered = self.path(scope, Rank::Offered);
        durable::rename(&offered, &self.path(scope, Rank::Good)).map_err(StoreError::io(&offered))
    }

    /// The rack has nothing more to do with this scope.
    pub fn remove(&self, scope: &ScopeName) -> Result<(), StoreError> {
        for rank in [Rank::Offered, Rank::Good] {
            let path = self.path(scope, rank);
            durable::remove(&path).map_err(StoreError::io(&path))?;
        }
        Ok(())
    }

    fn path(&self, scope: &ScopeName, rank: Rank) -> PathBuf {
        let extension = match rank {
            Rank::Offered => "offered",
            Rank::Good => "good",
        };
        self.folder.join(scope.to_string().replacen('/', "-", 1)).with_extension(extension)
    }
}

/// The message as received, then its CRC-32: the digest covers the content alone.
fn encode(record: &Record) -> Vec<u8> {
    let part = v1::ScopePart {
        scope: record.scope.to_string(),
        generation: Some(v1::Generation {
            epoch: record.generation.epoch.0,
            number: record.generation.number,
        }),
        digest: record.digest.to_vec(),
        content: record.content.clone(),
        last: true,
        withdrawn: false,
    };
    let mut bytes = part.encode_to_vec();
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn read(path: &Path) -> Result<(Rank, Record), String> {
    let rank = match path.extension().and_then(|extension| extension.to_str()) {
        Some("offered") => Rank::Offered,
        Some("good") => Rank::Good,
        _ => return Err("is not called NAME.offered or NAME.good".into()),
    };
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let record = decode(&bytes)?;
    let named = record.scope.to_string().replacen('/', "-", 1);
    if path.file_stem().and_then(|stem| stem.to_str()) != Some(&named) {
        return Err(format!("contains the scope {}", record.scope));
    }
    Ok((rank, record))
}

fn decode(bytes: &[u8]) -> Result<Record, String> {
    let Some((message, crc)) = bytes.split_last_chunk::<4>() else {
        return Err(format!("is only {} bytes long", bytes.len()));
    };
    if crc32fast::hash(message) != u32::from_le_bytes(*crc) {
        return Err("is damaged: its checksum does not match".into());
    }
    let part = v1::ScopePart::decode(message).map_err(|error| error.to_string())?;
    let generation = part.generation.unwrap_or_default();
    Ok(Record {
        scope: part.scope.parse().map_err(|rule: common::Refusal| rule.0)?,
        generation: Generation {
            epoch: common::Epoch(generation.epoch),
            number: generation.number,
        },
        digest: part.digest.try_into().map_err(|_| "has no SHA-256 digest")?,
        content: part.content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::{Epoch, VlanId};
    use uuid::Uuid;

    fn record(vlan: u128, number: u64) -> Record {
        Record {
            scope: ScopeName::Dhcp(VlanId::new(Uuid::from_u128(vlan))),
            generation: Generation { epoch: Epoch(3), number },
            digest: [number as u8; 32],
            content: vec![1, 2, 3],
        }
    }

    fn store() -> (tempfile::TempDir, ScopeStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = ScopeStore::open(folder.path()).unwrap();
        (folder, store)
    }

    #[test]
    fn offered_becomes_good_by_its_verdict() {
        let (_folder, store) = store();
        let (one, two) = (record(1, 1), record(1, 2));
        let kept = |offered: Option<&Record>, good: Option<&Record>| Kept {
            offered: offered.cloned(),
            good: good.cloned(),
        };
        let check = |expected: Kept| {
            let found = store.load().unwrap();
            assert!(found.damaged.is_empty(), "{:?}", found.damaged);
            assert_eq!(found.scopes.get(&one.scope).cloned().unwrap_or_default(), expected);
        };
        store.save_offered(&one).unwrap();
        check(kept(Some(&one), None));
        store.promote(&one.scope).unwrap();
        check(kept(None, Some(&one)));
        store.save_offered(&two).unwrap();
        check(kept(Some(&two), Some(&one)));
        store.promote(&one.scope).unwrap();
        check(kept(None, Some(&two)));
        store.remove(&one.scope).unwrap();
        check(kept(None, None));
    }

    /// Every cut and every changed byte of one scope's file is noticed, and the other scope is read all the same.
    #[test]
    fn a_torn_file_is_named_and_hurts_no_other_scope() {
        let (_folder, store) = store();
        let (torn, whole) = (record(1, 1), record(2, 1));
        store.save_offered(&torn).unwrap();
        store.save_offered(&whole).unwrap();
        let path = store.path(&torn.scope, Rank::Offered);
        let bytes = fs::read(&path).unwrap();
        let cuts = (0..bytes.len()).map(|at| bytes[..at].to_vec());
        let flips = (0..bytes.len()).map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            bytes
        });
        for damage in cuts.chain(flips) {
            fs::write(&path, damage).unwrap();
            let loaded = store.load().unwrap();
            assert_eq!(loaded.scopes.keys().collect::<Vec<_>>(), [&whole.scope]);
            let named = loaded.damaged.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert!(named.len() == 1 && named[0].contains(path.to_str().unwrap()), "{named:?}");
        }
    }

    #[test]
    fn a_file_under_another_name_is_not_believed() {
        let (_folder, store) = store();
        store.save_offered(&record(1, 1)).unwrap();
        let other = store.path(&record(2, 1).scope, Rank::Good);
        fs::rename(store.path(&record(1, 1).scope, Rank::Offered), other).unwrap();
        let loaded = store.load().unwrap();
        assert!(loaded.scopes.is_empty());
        assert!(loaded.damaged[0].to_string().contains("contains the scope"));
    }

    #[test]
    fn an_unfinished_write_is_swept() {
        let (_folder, store) = store();
        let unfinished =
            store.path(&record(1, 1).scope, Rank::Good).with_added_extension("unfinished");
        fs::write(&unfinished, "half").unwrap();
        let loaded = store.load().unwrap();
        assert!(loaded.damaged.is_empty() && loaded.scopes.is_empty());
        assert!(!unfinished.exists());
    }
}
