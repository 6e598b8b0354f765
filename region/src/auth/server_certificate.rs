//! Region's own certificate on a listener: signed by an authority of its own or read from files, and replaced while connections go on.

use arc_swap::ArcSwap;
use common::Timestamp;
use runtime::{
    clock::Clock,
    tasks::Tasks,
    telemetry::Causes,
    tls::{Identity, TlsError},
};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::authority::{Authority, AuthorityError};

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("{path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path}")]
    Content { path: PathBuf, source: TlsError },
    #[error("the key does not fit the certificate")]
    Key(#[source] rustls::Error),
}

/// Where the certificate comes from.
#[derive(Clone)]
pub enum Source {
    Authority { authority: Arc<Authority>, names: Vec<String>, lifetime: Duration },
    Files { certificate: PathBuf, key: PathBuf },
}

/// How often files are looked at for a newer certificate.
const LOOK: Duration = Duration::from_secs(60);

/// The next handshake shows what is current then.
#[derive(Debug)]
pub struct ServerCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ServerCertificate {
    /// Renews itself, as a task, for as long as the process runs.
    pub async fn spawn(
        name: &'static str,
        source: Source,
        clock: &Clock,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, CertificateError> {
        let own = Arc::new(Self(ArcSwap::from_pointee(source.load(clock.now()).await?)));
        let (renewed, clock, shutdown) = (own.clone(), clock.clone(), tasks.shutdown());
        tasks.spawn(name, async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(source.rest()) => {}
                }
                match source.load(clock.now()).await {
                    Ok(fresh) if fresh.cert != renewed.0.load().cert => {
                        tracing::info!(listener = name, "certificate renewed");
                        renewed.0.store(Arc::new(fresh));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::error!(listener = name, error = %Causes(&error), "certificate not renewed");
                    }
                }
            }
        });
        Ok(own)
    }
}

impl Source {
    async fn load(&self, now: Timestamp) -> Result<CertifiedKey, CertificateError> {
        let identity = match self {
            Self::Authority { authority, names, lifetime } => {
                let signed = authority.sign_server(names, *lifetime, now)?;
                // With the authority, so that a client that pins it finds it in the chain.
                let chain = vec![signed.issued.certificate, authority.certificate().clone()];
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.key));
                Identity { chain, key }
            }
            Self::Files { certificate, key } => {
                Identity::from_pem(&read(certificate).await?, &read(key).await?).map_err(
                    |source| CertificateError::Content { path: certificate.clone(), source },
                )?
            }
        };
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(identity.chain, identity.key, &provider)
            .map_err(CertificateError::Key)
    }

    /// Until a certificate of ours has a third of its life left; files are looked at.
    fn rest(&self) -> Duration {
        match self {
            Self::Authority { lifetime, .. } => *lifetime * 2 / 3,
            Self::Files { .. } => LOOK,
        }
    }
}

/// The certificate that a file's chain begins with.
pub async fn read_chain(path: &Path) -> Result<CertificateDer<'static>, CertificateError> {
    let text = read(path).await?;
    CertificateDer::from_pem_slice(&text)
        .map_err(|source| CertificateError::Content { path: path.into(), source: source.into() })
}

async fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let read = tokio::fs::read(path).await;
    read.map_err(|source| CertificateError::File { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_certificate_of_our_own_is_renewed_before_it_ends() {
        let (clock, tasks) = (Clock::system(), Tasks::new());
        let parts = Authority::generate("test", clock.now()).unwrap();
        let authority = Arc::new(Authority::open(parts).unwrap());
        let lifetime = Duration::from_millis(30);
        let source = Source::Authority { authority, names: vec!["localhost".into()], lifetime };
        let own = ServerCertificate::spawn("test", source, &clock, &tasks).await.unwrap();
        let first = own.0.load().cert.clone();
        assert_eq!(first.len(), 2);
        let renewed = async {
            while own.0.load().cert == first {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), renewed).await.unwrap();
        assert!(tasks.close(Duration::from_secs(5)).await.is_empty());
    }
}
