//! Who is at the other end of a connection, as far as its certificate proves it.

use common::{RackId, Timestamp};
use rustls_pki_types::CertificateDer;
use std::net::SocketAddr;

use super::authority::hexadecimal;

/// Goes with every request of a connection, as an extension.
#[derive(Clone, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// None: it showed no certificate.
    pub rack: Option<RackIdentity>,
}

/// A rack, proved by a certificate of region's authority that had not expired as the connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RackIdentity {
    pub rack: RackId,
    /// Hexadecimal digits.
    pub serial: String,
    pub not_after: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("its certificate cannot be read")]
    Unreadable,
    #[error("its certificate's common name {0:?} is no rack's id")]
    NoRack(String),
}

impl RackIdentity {
    /// Of a certificate whose signature, usage and validity the handshake has judged.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let (_, read) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|_| IdentityError::Unreadable)?;
        let name = read.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let name = name.unwrap_or_default();
        let rack = name.parse().map_err(|_| IdentityError::NoRack(name.into()))?;
        Ok(Self {
            rack,
            serial: hexadecimal(read.raw_serial()),
            not_after: Timestamp::from_seconds(read.validity().not_after.timestamp()),
        })
    }
}
