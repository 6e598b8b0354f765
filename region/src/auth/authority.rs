//! A certificate authority: signs racks, and region's own door. Knows neither where its key lies nor which certificates it has signed.

use common::{RackId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use std::time::Duration;
use time::OffsetDateTime;

/// An authority outlives every certificate that it signs.
const AUTHORITY_YEARS: i64 = 30;
/// Clocks of machines that were just switched on are behind.
const EARLIER: time::Duration = time::Duration::hours(1);

#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the authority's certificate or key cannot be used")]
    Own(#[source] rcgen::Error),
    #[error("the signing request cannot be read")]
    Request(#[source] rcgen::Error),
    #[error("the signing request asks for a key of a kind that is not taken; use ECDSA P-256")]
    Key,
    #[error("a certificate could not be signed")]
    Sign(#[source] rcgen::Error),
}

/// What has to be kept of an authority.
pub struct AuthorityParts {
    pub certificate: CertificateDer<'static>,
    /// PKCS #8.
    pub key: Vec<u8>,
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate just signed.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate: CertificateDer<'static>,
    /// Hexadecimal digits.
    pub serial: String,
    pub not_after: Timestamp,
}

/// A certificate just signed and the key that was made for it.
pub struct IssuedWithKey {
    pub issued: Issued,
    /// PKCS #8.
    pub key: Vec<u8>,
}

impl Authority {
    pub fn generate(name: &str, now: Timestamp) -> Result<AuthorityParts, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Own)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial());
        params.not_before = at(now) - EARLIER;
        params.not_after = at(now) + time::Duration::days(365 * AUTHORITY_YEARS);
        let certificate = params.self_signed(&key).map_err(AuthorityError::Own)?;
        Ok(AuthorityParts { certificate: certificate.der().clone(), key: key.serialize_der() })
    }

    pub fn open(parts: AuthorityParts) -> Result<Self, AuthorityError> {
        let key = PrivatePkcs8KeyDer::from(parts.key);
        let key = KeyPair::try_from(&key).map_err(AuthorityError::Own)?;
        let issuer = Issuer::from_ca_cert_der(&parts.certificate, key);
        Ok(Self { issuer: issuer.map_err(AuthorityError::Own)?, certificate: parts.certificate })
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Only the public key of the request is taken: who the rack is and what it may do is said here.
    pub fn sign_rack(
        &self,
        rack: RackId,
        request: &[u8],
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        let request = CertificateSigningRequestDer::from(request);
        let mut request =
            CertificateSigningRequestParams::from_der(&request).map_err(AuthorityError::Request)?;
        if *request.public_key.algorithm() != rcgen::PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::Key);
        }
        request.params =
            leaf(&rack.to_string(), ExtendedKeyUsagePurpose::ClientAuth, lifetime, now);
        let issued = request.signed_by(&self.issuer).map_err(AuthorityError::Sign)?;
        Ok(Issued::of(&request.params, issued.der()))
    }

    /// For a listener of region's; `names` are host names or addresses.
    pub fn sign_server(
        &self,
        names: &[String],
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<IssuedWithKey, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Sign)?;
        let named = CertificateParams::new(names.to_vec()).map_err(AuthorityError::Sign)?;
        let name = names.first().map_or("region", String::as_str);
        let mut params = leaf(name, ExtendedKeyUsagePurpose::ServerAuth, lifetime, now);
        params.subject_alt_names = named.subject_alt_names;
        let issued = params.signed_by(&key, &self.issuer).map_err(AuthorityError::Sign)?;
        let issued = Issued::of(&params, issued.der());
        Ok(IssuedWithKey { issued, key: key.serialize_der() })
    }
}

impl Issued {
    fn of(params: &CertificateParams, certificate: &CertificateDer<'static>) -> Self {
        let serial = params.serial_number.as_ref().map(SerialNumber::to_bytes).unwrap_or_default();
        Self {
            certificate: certificate.clone(),
            serial: hexadecimal(&serial),
            not_after: Timestamp::from_seconds(params.not_after.unix_timestamp()),
        }
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn leaf(
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    lifetime: Duration,
    now: Timestamp,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial());
    params.not_before = at(now) - EARLIER;
    params.not_after = at(now) + lifetime;
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// 126 random bits, positive and of fixed length (RFC 5280 section 4.1.2.2).
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source does not fail");
    bytes[0] = (bytes[0] & 0x7f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn at(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn authority() -> Authority {
        Authority::open(Authority::generate("racks of a test", NOW).unwrap()).unwrap()
    }

    #[test]
    fn a_rack_is_called_what_region_says() {
        let key = KeyPair::generate().unwrap();
        let mut wish = CertificateParams::new(vec!["region.example".to_owned()]).unwrap();
        wish.distinguished_name = common_name("another rack");
        wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let wish = wish.serialize_request(&key).unwrap();
        let rack = RackId::new(Uuid::from_u128(7));
        let issued = authority().sign_rack(rack, wish.der(), HOUR, NOW).unwrap();
        let (_, read) = x509_parser::parse_x509_certificate(&issued.certificate).unwrap();
        assert_eq!(read.subject().to_string(), format!("CN={rack}"));
        assert!(read.subject_alternative_name().unwrap().is_none());
        assert!(!read.is_ca());
        assert_eq!(hexadecimal(read.raw_serial()), issued.serial);
        assert_eq!(issued.not_after, NOW.shifted(3_600_000_000));
        assert_eq!(read.validity().not_after.timestamp(), issued.not_after.seconds());
    }

    #[test]
    fn nonsense_and_other_keys_are_refused() {
        let rack = RackId::new(Uuid::nil());
        let refused = authority().sign_rack(rack, b"nonsense", HOUR, NOW);
        assert!(matches!(refused, Err(AuthorityError::Request(_))));
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let other = CertificateParams::default().serialize_request(&key).unwrap();
        let refused = authority().sign_rack(rack, other.der(), HOUR, NOW);
        assert!(matches!(refused, Err(AuthorityError::Key)));
    }
}
