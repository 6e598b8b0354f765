//! Who this rack is to region: its key and certificate, and the authority that it joined.

use base64::{Engine, prelude::BASE64_STANDARD};
use common::RackId;
use runtime::tls::{Identity, TlsError};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use uuid::Uuid;

use super::{StoreError, durable, make_private, read_if_there};

/// Key and certificate are one file: a crash between two would leave a pair that does not match.
const IDENTITY: &str = "identity.pem";
const AUTHORITY: &str = "authority.pem";
const MEMBERSHIP: &str = "membership.json";

/// What a rack got by joining.
#[derive(Clone, Debug)]
pub struct Membership {
    pub rack: RackId,
    pub name: String,
    /// Where region was said to be by the join token.
    pub addresses: Vec<String>,
    pub authority: CertificateDer<'static>,
}

#[derive(Deserialize, Serialize)]
struct Written {
    rack: Uuid,
    name: String,
    addresses: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct IdentityStore {
    folder: PathBuf,
}

impl IdentityStore {
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        let folder = state_directory.join("identity");
        make_private(&folder)?;
        Ok(Self { folder })
    }

    /// `None`: this rack has joined no region.
    pub fn load(&self) -> Result<Option<(Membership, Identity)>, StoreError> {
        let path = self.folder.join(MEMBERSHIP);
        let Some(bytes) = read_if_there(&path)? else { return Ok(None) };
        let written: Written =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
        let authority = self.folder.join(AUTHORITY);
        let membership = Membership {
            rack: RackId::new(written.rack),
            name: written.name,
            addresses: written.addresses,
            authority: CertificateDer::from_pem_file(&authority)
                .map_err(|error| damaged(&authority, error))?,
        };
        Ok(Some((membership, self.load_identity()?)))
    }

    /// The membership is written last: without it the rest counts for nothing.
    pub fn save(
        &self,
        membership: &Membership,
        key: &str,
        certificate: &[u8],
    ) -> Result<(), StoreError> {
        self.write(AUTHORITY, &pem(&membership.authority))?;
        self.save_identity(key, certificate)?;
        let written = Written {
            rack: membership.rack.uuid(),
            name: membership.name.clone(),
            addresses: membership.addresses.clone(),
        };
        let text = serde_json::to_string_pretty(&written).expect("strings and a UUID are JSON");
        self.write(MEMBERSHIP, &text)
    }

    /// Replaces key (PEM) and certificate (DER) together.
    pub fn save_identity(&self, key: &str, certificate: &[u8]) -> Result<(), StoreError> {
        self.write(IDENTITY, &format!("{key}{}", pem(certificate)))
    }

    pub fn load_identity(&self) -> Result<Identity, StoreError> {
        let path = self.folder.join(IDENTITY);
        let bytes = std::fs::read(&path).map_err(StoreError::io(&path))?;
        Identity::from_pem(&bytes, &bytes).map_err(|error: TlsError| damaged(&path, error))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        durable::write(&path, text.as_bytes()).map_err(StoreError::io(&path))
    }
}

/// A certificate as text (RFC 7468).
fn pem(der: &[u8]) -> String {
    let digits = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = digits
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { path: path.into(), what: what.to_string() }
}
