//! Who this rack is to region: its key and certificate, and the authority that it joined.

use common::{RackId, Secret, Timestamp};
use runtime::tls::{Identity, TlsError, to_pem};
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

/// A certificate with its key, and how long they are good.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// PEM.
    key: Secret<String>,
    certificate: CertificateDer<'static>,
    received: Timestamp,
    ends: Timestamp,
}

/// Certificates are renewed at a third of their life or after this long, whichever is first: a region that is away for most of a year locks nobody out.
const RENEWED_AFTER: i64 = 30 * 86_400 * 1_000_000;

impl Credentials {
    /// `received` counts and not the certificate's own beginning: that is set earlier, for clocks that are behind.
    pub fn new(
        key: String,
        certificate: CertificateDer<'static>,
        received: Timestamp,
    ) -> Result<Self, &'static str> {
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_| "the certificate cannot be read")?;
        let ends = Timestamp::from_seconds(parsed.validity().not_after.timestamp());
        Ok(Self { key: Secret::new(key), certificate, received, ends })
    }

    pub fn identity(&self) -> Result<Identity, TlsError> {
        Identity::from_pem(to_pem(&self.certificate).as_bytes(), self.key.expose().as_bytes())
    }

    pub fn received(&self) -> Timestamp {
        self.received
    }

    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    pub fn renewal(&self) -> Timestamp {
        let life = self.ends.micros().saturating_sub(self.received.micros()).max(0);
        self.received.shifted((life / 3).min(RENEWED_AFTER))
    }

    /// A line with the time of receipt, which readers of PEM pass over, then key and certificate.
    fn encode(&self) -> String {
        let received = self.received.micros();
        format!("{RECEIVED}{received}\n{}{}", self.key.expose(), to_pem(&self.certificate))
    }

    fn decode(text: &str) -> Result<Self, &'static str> {
        let missing = "does not begin with when it was received";
        let (first, rest) = text.split_once('\n').ok_or(missing)?;
        let received = first.strip_prefix(RECEIVED).and_then(|micros| micros.parse().ok());
        let at = rest.find("-----BEGIN CERTIFICATE-----").ok_or("has no certificate")?;
        let (key, certificate) = rest.split_at(at);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| "the certificate cannot be read")?;
        Self::new(key.into(), certificate, Timestamp::from_micros(received.ok_or(missing)?))
    }
}

const RECEIVED: &str = "Received: ";

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

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `None`: this rack has joined no region.
    pub fn load(&self) -> Result<Option<(Membership, Credentials)>, StoreError> {
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
        Ok(Some((membership, self.load_credentials()?)))
    }

    /// The membership is written last: without it the rest counts for nothing.
    pub fn save(
        &self,
        membership: &Membership,
        credentials: &Credentials,
    ) -> Result<(), StoreError> {
        self.write(AUTHORITY, &to_pem(&membership.authority))?;
        self.save_credentials(credentials)?;
        let written = Written {
            rack: membership.rack.uuid(),
            name: membership.name.clone(),
            addresses: membership.addresses.clone(),
        };
        let text = serde_json::to_string_pretty(&written).expect("strings and a UUID are JSON");
        self.write(MEMBERSHIP, &text)
    }

    pub fn save_credentials(&self, credentials: &Credentials) -> Result<(), StoreError> {
        self.write(IDENTITY, &credentials.encode())
    }

    fn load_credentials(&self) -> Result<Credentials, StoreError> {
        let path = self.folder.join(IDENTITY);
        let text = std::fs::read_to_string(&path).map_err(StoreError::io(&path))?;
        Credentials::decode(&text).map_err(|what| damaged(&path, what))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        durable::write(&path, text.as_bytes()).map_err(StoreError::io(&path))
    }
}

fn damaged(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged { path: path.into(), what: what.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::os::unix::fs::PermissionsExt;

    const DAY: i64 = 86_400;

    /// Signed by itself, and good until 2027-01-01.
    fn credentials(received: Timestamp) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2025, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        Credentials::new(key.serialize_pem(), certificate.der().clone(), received).unwrap()
    }

    const ENDS: i64 = 1_798_761_600;

    #[test]
    fn a_membership_is_kept_for_the_rack_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = IdentityStore::open(folder.path()).unwrap();
        assert!(store.load().unwrap().is_none());
        let credentials = credentials(Timestamp::from_seconds(ENDS - 90 * DAY));
        let membership = Membership {
            rack: RackId::new(Uuid::from_u128(7)),
            name: "r1".into(),
            addresses: vec!["region.example:7241".into()],
            authority: credentials.certificate.clone(),
        };
        store.save(&membership, &credentials).unwrap();
        let (kept, own) = store.load().unwrap().unwrap();
        assert_eq!((kept.rack, kept.addresses), (membership.rack, membership.addresses));
        assert_eq!(kept.authority, membership.authority);
        assert_eq!((own.received, own.ends), (credentials.received, credentials.ends));
        own.identity().unwrap();
        let path = folder.path().join("identity").join(IDENTITY);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "torn").unwrap();
        assert!(store.load().unwrap_err().to_string().contains(IDENTITY));
    }

    #[test]
    fn a_certificate_is_renewed_at_a_third_of_its_life_or_on_day_30() {
        for (life, renewed_after) in
            [(90 * DAY, 30 * DAY), (30 * DAY, 10 * DAY), (365 * DAY, 30 * DAY), (9, 3), (-5, 0)]
        {
            let received = ENDS - life;
            let renewal = credentials(Timestamp::from_seconds(received)).renewal();
            assert_eq!(renewal.seconds(), received + renewed_after, "{life} s");
        }
    }
}
