//! Region's two authorities, made at its first start: one signs what is spoken with racks, the other region's door for operators.

use runtime::{clock::Clock, tls::Fingerprint};
use rustls_pki_types::CertificateDer;
use std::{path::PathBuf, sync::Arc};

use super::{
    authority::{Authority, AuthorityError, AuthorityParts},
    sealing::{SealError, Sealed, SealingKey},
};
use crate::db::{
    Clash, Conn, Db, DbError,
    authorities::{self, AuthorityRow},
};

#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("region's authorities cannot be read")]
    Db(#[from] DbError),
    /// Another region was made first; its key file is the one to use.
    #[error(transparent)]
    Late(SealError),
}

impl Clash for AuthoritiesError {
    fn is_clash(&self) -> bool {
        matches!(self, Self::Db(error) if error.is_clash())
    }
}

#[derive(Clone)]
pub struct Authorities {
    pub racks: Arc<Authority>,
    pub operators: Arc<Authority>,
}

const RACKS: (&str, &str) = ("racks", "Hostler racks");
const OPERATORS: (&str, &str) = ("operators", "Hostler region");

impl Authorities {
    /// What is in the database, opened with the key file; or both, made now.
    pub async fn open(db: &Db, key_file: PathBuf, clock: &Clock) -> Result<Self, AuthoritiesError> {
        let clock = clock.clone();
        db.transaction(move |conn| {
            let sealed_by = authorities::sealed_by(conn)?;
            let key = SealingKey::open(&key_file, sealed_by.as_deref())?;
            let racks = open_or_make(conn, &key, RACKS, &clock)?;
            let operators = open_or_make(conn, &key, OPERATORS, &clock)?;
            Ok(Self { racks: Arc::new(racks), operators: Arc::new(operators) })
        })
        .await
    }

    /// What join tokens pin.
    pub fn racks_fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.racks.certificate())
    }
}

/// The certificate of the operators' authority, which needs no key; None before the first start.
pub fn operators_certificate(conn: &mut Conn) -> Result<Option<CertificateDer<'static>>, DbError> {
    Ok(authorities::load(conn, OPERATORS.0)?.map(|row| row.certificate.into()))
}

fn open_or_make(
    conn: &mut Conn,
    key: &SealingKey,
    (purpose, name): (&str, &str),
    clock: &Clock,
) -> Result<Authority, AuthoritiesError> {
    let about = format!("authority/{purpose}");
    if authorities::load(conn, purpose)?.is_none() {
        let now = clock.now();
        let made = Authority::generate(name, now)?;
        let sealed = key.seal(&about, &made.key);
        let row = AuthorityRow {
            certificate: made.certificate.to_vec(),
            sealed_key: sealed.bytes,
            sealed_by: sealed.key_id,
            made_at: now.micros(),
        };
        authorities::insert_if_new(conn, purpose, &row)?;
    }
    let row = authorities::load(conn, purpose)?.ok_or(diesel::result::Error::NotFound);
    let row = row.map_err(DbError::from)?;
    let sealed = Sealed { key_id: row.sealed_by, bytes: row.sealed_key };
    let secret = key.unseal(&about, &sealed).map_err(AuthoritiesError::Late)?;
    Ok(Authority::open(AuthorityParts { certificate: row.certificate.into(), key: secret })?)
}
