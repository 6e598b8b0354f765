//! Whom a URL trusts, in libpq's words.

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::Arc;

use super::{Mode, PostgresUrl, TunnelError};

pub(super) fn config(url: &PostgresUrl) -> Result<Arc<ClientConfig>, TunnelError> {
    runtime::tls::install_provider();
    let provider = CryptoProvider::get_default().expect("installed above");
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder();
    let config = match url.mode {
        Mode::Plain | Mode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unnamed { chain: None, algorithms })),
        Mode::VerifyCa => {
            let chain = WebPkiServerVerifier::builder(Arc::new(roots(url)?)).build();
            let chain = chain.map_err(|error| unusable(url, &error))?;
            let verifier = Unnamed { chain: Some(chain), algorithms };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        Mode::VerifyFull => builder.with_root_certificates(roots(url)?),
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

fn roots(url: &PostgresUrl) -> Result<RootCertStore, TunnelError> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&url.authorities);
    for certificate in certificates.map_err(|error| unusable(url, &error))? {
        let certificate = certificate.map_err(|error| unusable(url, &error))?;
        roots.add(certificate).map_err(|error| unusable(url, &error))?;
    }
    Ok(roots)
}

fn unusable(url: &PostgresUrl, reason: &dyn std::fmt::Display) -> TunnelError {
    TunnelError::Authorities { path: url.authorities.clone(), reason: reason.to_string() }
}

/// Does not look at the name: `require` believes any certificate, `verify-ca` any of these authorities. The server must own it all the same.
#[derive(Debug)]
struct Unnamed {
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Unnamed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                rustls::CertificateError::NotValidForName
                | rustls::CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
