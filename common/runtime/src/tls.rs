//! TLS: which versions are spoken and who is trusted, for every listener and every connection.
//!
//! TLS 1.3 only: both ends are ours, browsers or gRPC libraries of this decade.

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore,
    ServerConfig, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
    server::{ResolvesServerCert, WebPkiClientVerifier},
    time_provider::TimeProvider,
};
use std::{error::Error, fmt, str::FromStr, sync::Arc, time::Duration};

use crate::clock::Clock;

/// The name in region's certificate on the racks' port: racks find it by address, and know it by this.
pub const REGION_NAME: &str = "region.hostler.internal";

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("not a certificate and key in PEM: {0}")]
    Pem(#[from] pem::Error),
    #[error("certificate and key are of no use: {0}")]
    Rustls(#[from] rustls::Error),
    #[error("nobody can be trusted: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// First thing in every `main` and test: one provider for the whole process.
pub fn install_provider() {
    // A second call keeps the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A certificate as text (RFC 7468).
pub fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let digits = BASE64_STANDARD.encode(certificate);
    let lines: Vec<&str> = digits
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).expect("base64 is ASCII"))
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// SHA-256 of a certificate's DER, which people compare by eye and tokens carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes `openssl x509 -fingerprint -sha256`'s colons too.
impl FromStr for Fingerprint {
    type Err = common::Refusal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || common::Refusal::new("must be a SHA-256 fingerprint: 64 hexadecimal digits");
        let digits: Vec<char> = text.trim().chars().filter(|c| *c != ':').collect();
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let value = |c: char| c.to_digit(16).ok_or_else(wrong);
            *byte = u8::try_from(value(pair[0])? * 16 + value(pair[1])?).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// A certificate with those that lead to its authority, and its key.
#[derive(Debug)]
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { chain, key: PrivateKeyDer::from_pem_slice(key)? })
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

/// Whom a client believes to be the server.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Who is signed by one of these and has the right name.
    Authorities(Vec<CertificateDer<'static>>),
    /// Who shows a chain with this very certificate in it: its own, or the authority that signed it.
    Pinned(Fingerprint),
}

/// What a client is, how it speaks and whom it trusts. Validity is judged by `clock`.
pub fn client_config(
    trust: &Trust,
    identity: Option<Identity>,
    clock: &Clock,
) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let builder =
        ClientConfig::builder_with_details(provider.clone(), Arc::new(Time(clock.clone())))
            .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = match trust {
        Trust::Authorities(authorities) => builder.with_root_certificates(roots(authorities)?),
        Trust::Pinned(fingerprint) => {
            let algorithms = provider.signature_verification_algorithms;
            let verifier = Pinned { fingerprint: *fingerprint, algorithms };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let mut config = match identity {
        Some(own) => builder.with_client_auth_cert(own.chain, own.key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// That the other side does not take our certificate, as it says in TLS.
pub fn certificate_alert(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    let rustls = inner
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .or_else(|| error.downcast_ref());
    match rustls {
        Some(rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        )) => Some(*alert),
        _ => None,
    }
}

/// A server that shows what `own` resolves to. With `clients`, a client may show a certificate, which must then be signed by one of them and be valid by
/// `clock`; whether it must show one is for the door to say.
pub fn server_config(
    own: Arc<dyn ResolvesServerCert>,
    clients: &[CertificateDer<'static>],
    clock: &Clock,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let builder =
        ServerConfig::builder_with_details(provider.clone(), Arc::new(Time(clock.clone())))
            .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = if clients.is_empty() {
        builder.with_no_client_auth()
    } else {
        let roots = Arc::new(roots(clients)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        builder.with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
    };
    let mut config = builder.with_cert_resolver(own);
    if !clients.is_empty() {
        // A resumed session would go on with a certificate that has ended since.
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(roots)
}

/// A clock that was stepped back must not make an expired certificate good again, nor a good one "not yet valid".
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let micros = u64::try_from(self.0.now().micros()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_micros(micros)))
    }
}

#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The pin is not in the chain; says both, so that people can compare.
#[derive(Debug, thiserror::Error)]
#[error("the server is not the one expected: fingerprint {expected} was pinned, it shows {shown}")]
pub struct WrongServer {
    pub expected: Fingerprint,
    pub shown: Fingerprint,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if Fingerprint::of(own) == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        let pinned = intermediates.iter().find(|one| Fingerprint::of(one) == self.fingerprint);
        let Some(authority) = pinned else {
            let shown = Fingerprint::of(intermediates.last().unwrap_or(own));
            let wrong = WrongServer { expected: self.fingerprint, shown };
            return Err(rustls::OtherError(Arc::new(wrong)).into());
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(own, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
