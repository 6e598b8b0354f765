//! Secrets in the database are sealed by a key that is not in it: a copy of the database alone signs nothing.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
    rand,
};
use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

const KEY_LENGTH: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(
        "{path}: the key file is missing, and this database's secrets are sealed with key {wanted}; copy the file from another region of this database or from a backup"
    )]
    Missing { path: PathBuf, wanted: String },
    #[error(
        "{path}: is key {found}, but this database's secrets are sealed with key {wanted}; put that file in its place"
    )]
    Wrong { path: PathBuf, found: String, wanted: String },
    #[error("{path}: must be {KEY_LENGTH} bytes long and is {length}")]
    Length { path: PathBuf, length: usize },
    #[error("{path}: others than its owner can read it (mode {mode:o}); make it 0600")]
    Open { path: PathBuf, mode: u32 },
    #[error("{path}")]
    File { path: PathBuf, source: io::Error },
    #[error("a sealed secret was changed since it was sealed")]
    Forged,
}

/// Bytes that only the holder of the key with `key_id` can read, and nobody can change unnoticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub key_id: String,
    pub bytes: Vec<u8>,
}

pub struct SealingKey {
    key: LessSafeKey,
    id: String,
    path: PathBuf,
}

impl SealingKey {
    /// Reads the key file. One that is not there is made, unless something is already sealed with a key called `wanted`.
    pub fn open(path: &Path, wanted: Option<&str>) -> Result<Self, SealError> {
        let file = |source| SealError::File { path: path.into(), source };
        let bytes = match (fs::read(path), wanted) {
            (Ok(bytes), _) => bytes,
            (Err(error), _) if error.kind() != io::ErrorKind::NotFound => return Err(file(error)),
            (Err(_), Some(wanted)) => {
                return Err(SealError::Missing { path: path.into(), wanted: wanted.into() });
            }
            (Err(_), None) => create(path).map_err(file)?,
        };
        let mode = fs::metadata(path).map_err(file)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SealError::Open { path: path.into(), mode });
        }
        if bytes.len() != KEY_LENGTH {
            return Err(SealError::Length { path: path.into(), length: bytes.len() });
        }
        let own = Self::of(&bytes, path);
        match wanted {
            Some(wanted) if wanted != own.id => Err(own.wrong(wanted)),
            _ => Ok(own),
        }
    }

    /// `about` says what the secret is; it opens only under the same words, so one cannot stand in for another.
    pub fn seal(&self, about: &str, secret: &[u8]) -> Sealed {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).expect("the system's random source does not fail");
        let mut body = secret.to_vec();
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(sealing, Aad::from(about), &mut body)
            .expect("a secret is shorter than 64 GiB");
        Sealed { key_id: self.id.clone(), bytes: [nonce.as_slice(), &body].concat() }
    }

    pub fn unseal(&self, about: &str, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        if sealed.key_id != self.id {
            return Err(self.wrong(&sealed.key_id));
        }
        let (nonce, body) = sealed.bytes.split_first_chunk().ok_or(SealError::Forged)?;
        let (nonce, mut body) = (Nonce::assume_unique_for_key(*nonce), body.to_vec());
        let opened = self.key.open_in_place(nonce, Aad::from(about), &mut body);
        opened.map(|secret| secret.to_vec()).map_err(|_| SealError::Forged)
    }

    fn of(bytes: &[u8], path: &Path) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("the length was checked");
        let id = super::authority::hexadecimal(&digest(&SHA256, bytes).as_ref()[..8]);
        Self { key: LessSafeKey::new(key), id, path: path.into() }
    }

    fn wrong(&self, wanted: &str) -> SealError {
        let (path, found) = (self.path.clone(), self.id.clone());
        SealError::Wrong { path, found, wanted: wanted.into() }
    }
}

fn create(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; KEY_LENGTH];
    rand::fill(&mut bytes).expect("the system's random source does not fail");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    // The name has to last as long as what is sealed with it.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region.key");
        let key = SealingKey::open(&path, None).unwrap();
        let sealed = key.seal("authority/racks", b"secret");
        let again = SealingKey::open(&path, Some(&sealed.key_id)).unwrap();
        assert_eq!(again.unseal("authority/racks", &sealed).unwrap(), b"secret");
        assert!(matches!(again.unseal("authority/operators", &sealed), Err(SealError::Forged)));
        let mut bent = sealed.clone();
        *bent.bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(again.unseal("authority/racks", &bent), Err(SealError::Forged)));
        let other = SealingKey::open(&folder.path().join("other.key"), None).unwrap();
        let wrong = other.unseal("authority/racks", &sealed).unwrap_err();
        assert!(matches!(wrong, SealError::Wrong { .. }), "{wrong}");
    }

    #[test]
    fn a_key_file_that_cannot_be_right_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("region.key");
        let missing = SealingKey::open(&path, Some("00")).err().unwrap();
        assert!(matches!(missing, SealError::Missing { .. }), "{missing}");
        let key = SealingKey::open(&path, None).unwrap();
        let wrong = SealingKey::open(&path, Some("00")).err().unwrap();
        assert!(wrong.to_string().contains(&key.id), "{wrong}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let open = SealingKey::open(&path, None).err().unwrap();
        assert!(open.to_string().contains("mode 644"), "{open}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(SealingKey::open(&path, None), Err(SealError::Length { length: 5, .. })));
    }
}
