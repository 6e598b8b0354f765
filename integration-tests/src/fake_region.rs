//! A region that says what a test tells it to: its own authority, its door for racks, and each rack's stream in the test's hands.

mod session;

use anyhow::Context;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use proto::{
    join_token::JoinToken,
    v1::{self, enrol_server::EnrolServer, from_rack, rack_link_server::RackLinkServer},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use runtime::{
    clock::Clock,
    tasks::Tasks,
    tls::{self, Fingerprint},
};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, service::Routes};
use tower::ServiceExt;
use uuid::Uuid;

pub use session::Session;

/// For whatever a rack should do next; none of it takes a second.
pub const LIMIT: Duration = Duration::from_secs(20);
/// Tests hold one session at a time.
const SESSIONS: usize = 8;

/// What it does where the test does not speak for itself.
#[derive(Debug)]
pub struct Script {
    /// Join tokens that are good, by their secrets, and what is said of the others.
    pub secrets: BTreeMap<String, Result<(), String>>,
    /// Of the certificates that it signs.
    pub lifetime: Duration,
    /// Why no rack is let in.
    pub refuses: Option<String>,
}

pub struct FakeRegion {
    address: SocketAddr,
    authority: Arc<Authority>,
    script: Arc<Mutex<Script>>,
    sessions: mpsc::Receiver<Session>,
    tasks: Tasks,
}

impl FakeRegion {
    /// On a listener that may be of any network namespace.
    pub fn start(listener: std::net::TcpListener) -> anyhow::Result<Self> {
        tls::install_provider();
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let authority = Arc::new(Authority::new()?);
        let script =
            Script { secrets: BTreeMap::new(), lifetime: Duration::from_secs(3600), refuses: None };
        let script = Arc::new(Mutex::new(script));
        let (opened, sessions) = mpsc::channel(SESSIONS);
        let door = Door { authority: authority.clone(), script: script.clone(), opened };
        let address = listener.local_addr()?;
        let tasks = Tasks::new();
        let acceptor = authority.acceptor()?;
        let own = tasks.clone();
        tasks.spawn("fake region", async move { accept(listener, acceptor, door, own).await });
        Ok(Self { address, authority, script, sessions, tasks })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A token that is good once.
    pub fn token(&self, secret: &str) -> JoinToken {
        self.script(|script| script.secrets.insert(secret.into(), Ok(())));
        self.token_with(secret)
    }

    /// Whatever has become of the secret.
    pub fn token_with(&self, secret: &str) -> JoinToken {
        JoinToken {
            addresses: vec![self.address.to_string()],
            authority: Fingerprint::of(&self.authority.certificate).bytes(),
            secret: common::Secret::new(secret.into()),
        }
    }

    pub fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next stream that a rack opens, with its hello read and not yet answered.
    pub async fn session(&mut self) -> anyhow::Result<Session> {
        let session = timeout(LIMIT, self.sessions.recv()).await.context("no rack came")?;
        session.context("the fake region has ended")
    }

    /// No stream is opened for so long.
    pub async fn nobody(&mut self, within: Duration) -> bool {
        timeout(within, self.sessions.recv()).await.is_err()
    }

    pub async fn close(self) {
        self.tasks.close(LIMIT).await;
    }
}

/// An authority and the door's own certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![tls::REGION_NAME.into()])?;
        let own = params.signed_by(&key, &self.issuer)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
        // The authority goes along, since a rack that joins pins it and has it not.
        let shown = CertifiedKey::new(vec![own, self.certificate.clone()], key);
        let shown = Arc::new(Fixed(Arc::new(shown)));
        let config =
            tls::server_config(shown, std::slice::from_ref(&self.certificate), &Clock::system())?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn sign(&self, request: &[u8], rack: &str, lifetime: Duration) -> anyhow::Result<Vec<u8>> {
        let request = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&request)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, rack);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = SystemTime::now();
        // An hour early, as the real one does for clocks that are behind.
        params.not_before = (now - Duration::from_secs(3600)).into();
        params.not_after = (now + lifetime).into();
        request.params = params;
        Ok(request.signed_by(&self.issuer)?.der().to_vec())
    }
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[derive(Clone)]
struct Door {
    authority: Arc<Authority>,
    script: Arc<Mutex<Script>>,
    opened: mpsc::Sender<Session>,
}

/// Serial number of the certificate that a connection was made with.
#[derive(Clone)]
struct Peer(Option<String>);

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, door: Door, tasks: Tasks) {
    let routes = Routes::new(EnrolServer::new(door.clone()))
        .add_service(RackLinkServer::new(door))
        .prepare();
    let shutdown = tasks.shutdown();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (acceptor, routes, shutdown) = (acceptor.clone(), routes.clone(), shutdown.clone());
        tasks.spawn_brief("rack connection", async move {
            tokio::select! {
                // A connection that breaks is the rack's to complain of.
                _ = serve(stream, acceptor, routes) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, routes: Routes) -> anyhow::Result<()> {
    let stream = acceptor.accept(stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let serial = shown.and_then(|certificate| {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        Some(parsed.raw_serial_as_string())
    });
    let peer = Peer(serial);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<_>| {
        request.extensions_mut().insert(peer.clone());
        routes.clone().oneshot(request)
    });
    let connection = Builder::new(TokioExecutor::new());
    let served = connection.serve_connection(TokioIo::new(stream), service).await;
    served.map_err(|error| anyhow::anyhow!(error))
}

impl Door {
    fn script<T>(&self, read: impl FnOnce(&mut Script) -> T) -> T {
        read(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn sign(&self, request: &[u8], rack: &str) -> Result<Vec<u8>, Status> {
        let lifetime = self.script(|script| script.lifetime);
        let signed = self.authority.sign(request, rack, lifetime);
        signed.map_err(|error| Status::invalid_argument(error.to_string()))
    }

    fn admit<T>(&self, request: &Request<T>) -> Result<String, Status> {
        if let Some(why) = self.script(|script| script.refuses.clone()) {
            return Err(Status::permission_denied(why));
        }
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0.clone());
        peer.ok_or_else(|| Status::unauthenticated("a certificate is needed"))
    }
}

#[tonic::async_trait]
impl v1::enrol_server::Enrol for Door {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let request = request.into_inner();
        let used = Err("the token was used already".to_owned());
        let found = self.script(|script| {
            script.secrets.get_mut(&request.secret).map(|good| std::mem::replace(good, used))
        });
        match found {
            Some(Ok(())) => {}
            Some(Err(why)) => {
                self.script(|script| script.secrets.insert(request.secret, Err(why.clone())));
                return Err(Status::permission_denied(why));
            }
            None => return Err(Status::permission_denied("the token is not known")),
        }
        let rack_id = Uuid::now_v7().to_string();
        Ok(Response::new(v1::JoinResponse {
            certificate: self.sign(&request.signing_request, &rack_id)?,
            rack_id,
            name: request.name,
            authority: self.authority.certificate.to_vec(),
        }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        self.admit(&request)?;
        let certificate = self.sign(&request.into_inner().signing_request, "renewed")?;
        Ok(Response::new(v1::RenewResponse { certificate }))
    }
}

#[tonic::async_trait]
impl v1::rack_link_server::RackLink for Door {
    type ConnectStream = ReceiverStream<Result<v1::ToRack, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<v1::FromRack>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let serial = self.admit(&request)?;
        let mut from = request.into_inner();
        let first = from.message().await?.and_then(|message| message.message);
        let Some(from_rack::Message::Hello(hello)) = first else {
            return Err(Status::invalid_argument("the first message must be a hello"));
        };
        // One message ahead, so that a test's words go in its order and at its pace.
        let (to, out) = mpsc::channel(1);
        let session = Session { hello, serial, from, to };
        let sent = self.opened.send(session).await;
        sent.map_err(|_| Status::unavailable("the test has ended"))?;
        Ok(Response::new(ReceiverStream::new(out)))
    }
}
