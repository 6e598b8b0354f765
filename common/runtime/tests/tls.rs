//! Who is let in and who is believed, over real connections on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use common::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use runtime::{
    channel::{self, Target},
    clock::Clock,
    tls::{self, Fingerprint, Identity, REGION_NAME, Trust},
};
use rustls::{pki_types::CertificateDer, server::ResolvesServerCert, sign::CertifiedKey};
use std::{fmt, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().der().clone();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn sign(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Identity { chain: vec![own, self.certificate.clone()], key: key.into() }
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// Accepts one connection; says how many certificates the client showed.
async fn serve(
    own: Identity,
    clients: Vec<CertificateDer<'static>>,
) -> (Target, tokio::sync::oneshot::Receiver<Result<usize, String>>) {
    serve_by(&Clock::system(), own, clients).await
}

async fn serve_by(
    clock: &Clock,
    own: Identity,
    clients: Vec<CertificateDer<'static>>,
) -> (Target, tokio::sync::oneshot::Receiver<Result<usize, String>>) {
    tls::install_provider();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(own.key).unwrap();
    let resolver = Always(Arc::new(CertifiedKey::new(own.chain, key)));
    let config = tls::server_config(Arc::new(resolver), &clients, clock).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = tokio::sync::oneshot::channel();
    let tasks = runtime::tasks::Tasks::new();
    tasks.spawn_brief("server", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
        let shown = accepted
            .map(|stream| stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len))
            .map_err(|error| error.to_string());
        let _ = tell.send(shown);
    });
    (Target { addresses: vec![address], name: REGION_NAME.try_into().unwrap() }, told)
}

async fn attempt(target: &Target, trust: Trust, identity: Option<Identity>) -> Result<(), String> {
    let config = tls::client_config(&trust, identity, &Clock::system()).unwrap();
    let outcome = channel::channel(target, config).await;
    outcome.map(drop).map_err(|error| error.to_string())
}

fn has(outcome: &Result<(), String>, words: &impl fmt::Display) -> bool {
    outcome.as_ref().is_err_and(|error| error.contains(&words.to_string()))
}

#[tokio::test]
async fn a_pinned_authority_is_believed_and_no_other() {
    let (ours, other) = (authority(), authority());
    let pin = Trust::Pinned(Fingerprint::of(&ours.certificate));
    let (target, told) = serve(ours.sign(REGION_NAME), Vec::new()).await;
    // The server hangs up after the handshake; that the handshake was made is what counts.
    let _ = attempt(&target, pin.clone(), None).await;
    assert_eq!(told.await.unwrap(), Ok(0));

    let (target, _) = serve(other.sign(REGION_NAME), Vec::new()).await;
    let refused = attempt(&target, pin.clone(), None).await;
    assert!(has(&refused, &Fingerprint::of(&ours.certificate)), "{refused:?}");
    assert!(has(&refused, &Fingerprint::of(&other.certificate)), "{refused:?}");

    // Signed by the right authority, for another name: a rack's certificate does not make a region.
    let (target, _) = serve(ours.sign("rack"), Vec::new()).await;
    assert!(has(&attempt(&target, pin, None).await, &"not valid for name"));
}

#[tokio::test]
async fn a_client_shows_its_certificate_and_a_foreign_one_is_refused() {
    let (ours, other) = (authority(), authority());
    let trust = Trust::Authorities(vec![ours.certificate.clone()]);
    let (target, told) = serve(ours.sign(REGION_NAME), vec![ours.certificate.clone()]).await;
    let _ = attempt(&target, trust.clone(), Some(ours.sign("rack"))).await;
    assert_eq!(told.await.unwrap(), Ok(2));

    let (target, told) = serve(ours.sign(REGION_NAME), vec![ours.certificate.clone()]).await;
    let _ = attempt(&target, trust, Some(other.sign("rack"))).await;
    assert!(told.await.unwrap().is_err());
}

#[tokio::test]
async fn a_certificate_is_judged_by_the_clock_that_was_handed_in() {
    let ours = authority();
    let (target, _) = serve(ours.sign(REGION_NAME), Vec::new()).await;
    let past = Clock::manual(Timestamp::from_seconds(0));
    let trust = Trust::Authorities(vec![ours.certificate.clone()]);
    let config = tls::client_config(&trust, None, &past).unwrap();
    let refused = channel::channel(&target, config).await.map(drop).map_err(|e| e.to_string());
    assert!(has(&refused, &"not valid yet"), "{refused:?}");
    // The server's side of it.
    let clients = vec![ours.certificate.clone()];
    let (target, told) = serve_by(&past, ours.sign(REGION_NAME), clients).await;
    let _ = attempt(&target, trust, Some(ours.sign("rack"))).await;
    let refused = told.await.unwrap().map(drop);
    assert!(has(&refused, &"not valid yet"), "{refused:?}");
}
