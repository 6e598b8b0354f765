//! A rack that fetches from a region that answers as it is told to, over real TLS on loopback.

use aws_lc_rs::digest::{SHA256, digest};
use common::{
    generation::Digest,
    rack_config::{BootConfig, BootParts, boot::BootFile},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use runtime::{
    clock::Clock,
    tasks::Tasks,
    tls::{self, REGION_NAME, Trust},
};
use rustls::{ServerConfig, pki_types::CertificateDer};
use std::{
    collections::VecDeque,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    services::boot::BootTable,
    store::{
        boot_files::{BootFileStore, hex},
        identity::Credentials,
    },
};

const LIMIT: Duration = Duration::from_secs(20);

/// What region does to the next request; whole answers where nothing is said.
#[derive(Clone, Copy)]
enum Fault {
    /// Hangs up after so many bytes.
    BreaksOff(usize),
    /// Another content of the same length.
    Corrupt,
    Status(u16),
}

struct Region {
    origin: Origin,
    _credentials: watch::Sender<Credentials>,
    files: Vec<Vec<u8>>,
    faults: Mutex<VecDeque<Fault>>,
    /// `bytes=0-9`, of each request.
    asked: Mutex<Vec<(Digest, String)>>,
}

struct Signer {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

impl Region {
    async fn open(files: &[&[u8]], faults: &[Fault], tasks: &Tasks) -> Arc<Self> {
        tls::install_provider();
        let signer = Signer::new();
        let (own, key) = signer.sign(REGION_NAME);
        let chain = vec![own, signer.certificate.clone()];
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (rack, rack_key) = signer.sign("rack");
        let clock = Clock::system();
        let credentials = Credentials::new(rack_key.serialize_pem(), rack, clock.now()).unwrap();
        let credentials = watch::Sender::new(credentials);
        let origin = Origin {
            addresses: vec![listener.local_addr().unwrap().to_string()],
            trust: Trust::Authorities(vec![signer.certificate.clone()]),
            credentials: credentials.subscribe(),
            validity: clock,
        };
        let region = Arc::new(Self {
            origin,
            _credentials: credentials,
            files: files.iter().map(|bytes| bytes.to_vec()).collect(),
            faults: Mutex::new(faults.iter().copied().collect()),
            asked: Mutex::default(),
        });
        let (own, brief) = (Arc::clone(&region), tasks.clone());
        tasks.spawn_brief("region", async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (own, acceptor) = (Arc::clone(&own), acceptor.clone());
                brief.spawn_brief("region connection", async move {
                    let mut stream = acceptor.accept(tcp).await.unwrap();
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    let answer = own.answer(&String::from_utf8(request).unwrap());
                    stream.write_all(&answer).await.unwrap();
                    // A client that has left wants no farewell.
                    let _ = stream.shutdown().await;
                });
            }
        });
        region
    }

    fn answer(&self, request: &str) -> Vec<u8> {
        let path = request.split(' ').nth(1).unwrap();
        let file = self
            .files
            .iter()
            .find(|bytes| path == format!("/boot-files/{}", hex(&digest_of(bytes))));
        let range = request.lines().find_map(|line| line.strip_prefix("range: ")).unwrap();
        let Some(file) = file else { return status(404) };
        self.asked.lock().unwrap().push((digest_of(file), range.to_owned()));
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        let mut piece = file[first..=last].to_vec();
        let length = piece.len();
        match self.faults.lock().unwrap().pop_front() {
            Some(Fault::Status(code)) => return status(code),
            Some(Fault::BreaksOff(after)) => piece.truncate(after),
            Some(Fault::Corrupt) => piece[0] ^= 1,
            None => {}
        }
        let head = format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &piece].concat()
    }
}

fn status(code: u16) -> Vec<u8> {
    format!("HTTP/1.1 {code} x\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

struct Rack {
    applied: watch::Sender<Option<BootTable>>,
    origin: watch::Sender<Option<Origin>>,
    table: watch::Receiver<Arc<Table>>,
    progress: watch::Receiver<Progress>,
    _tasks: Tasks,
}

impl Rack {
    fn start(folder: &Path, limit: u64, origin: Option<Origin>) -> Self {
        let tasks = Tasks::new();
        let store = BootFileStore::open(&folder.join("boot-files"), limit).unwrap();
        let settings = KeeperSettings { store, sources: BTreeMap::new(), port: 7280 };
        let (applied, followed) = watch::channel(None);
        let (origin, from) = watch::channel(origin);
        let (table, progress) = Keeper::start(settings, followed, from, &tasks);
        Self { applied, origin, table, progress, _tasks: tasks }
    }

    fn apply(&self, files: &[(&str, &[u8])]) {
        let files = files.iter().map(|(path, bytes)| {
            let file = BootFile { digest: digest_of(bytes), size: bytes.len() as u64 };
            (path.parse().unwrap(), file)
        });
        let parts = BootParts { files: files.collect(), ..BootParts::default() };
        let config = Arc::new(BootConfig::new(parts).unwrap());
        self.applied.send_replace(Some(BootTable { config, links: Vec::new() }));
    }

    async fn until(&mut self, what: &str, mut reached: impl FnMut(&Progress) -> bool) {
        let end = tokio::time::timeout(LIMIT, self.progress.wait_for(|now| reached(now))).await;
        let reached = end.map(|found| found.is_ok());
        assert_eq!(reached, Ok(true), "{what}: {:?}", *self.progress.borrow());
    }

    async fn until_ready(&mut self, count: usize) {
        self.until("ready", |now| now.ready == count && now.awaited.is_empty()).await;
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        let Some(Entry::Ready(content)) = self.table.borrow().find(path).cloned() else {
            return None;
        };
        let mut bytes = vec![0; content.size() as usize];
        content.read(&mut bytes, 0).unwrap();
        Some(bytes)
    }
}

fn content(seed: u64, size: usize) -> Vec<u8> {
    (0..size as u64)
        .map(|at| ((at + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_is_fetched_smallest_first_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new();
    let (small, large) = (content(1, 1000), content(2, 40 << 20));
    let region = Region::open(&[&small, &large], &[], &tasks).await;
    let mut rack = Rack::start(folder.path(), 1 << 30, None);
    rack.apply(&[("large", &large), ("small", &small)]);
    rack.until("waiting", |now| now.awaited.len() == 2).await;
    assert!(rack.content("small").is_none());
    rack.origin.send_replace(Some(region.origin.clone()));
    rack.until_ready(2).await;
    assert!(rack.content("small").unwrap() == small && rack.content("large").unwrap() == large);
    let asked: Vec<_> =
        region.asked.lock().unwrap().iter().map(|(_, range)| range.clone()).collect();
    assert_eq!(
        asked,
        ["bytes=0-999", "bytes=0-16777215", "bytes=16777216-33554431", "bytes=33554432-41943039"]
    );
    drop(rack);
    let mut rack = Rack::start(folder.path(), 1 << 30, None);
    rack.apply(&[("here", &small)]);
    rack.until_ready(1).await;
    assert!(rack.content("here").unwrap() == small, "without region, after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_region_does_no_wrong_byte_is_served() {
    let file = content(3, 100_000);
    for (case, faults, requests) in [
        ("broken off", &[Fault::BreaksOff(60_000), Fault::BreaksOff(0)][..], 3),
        ("corrupt", &[Fault::Corrupt], 2),
        ("away for a moment", &[Fault::Status(503), Fault::Status(404)], 3),
    ] {
        let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
        let region = Region::open(&[&file], faults, &tasks).await;
        let mut rack = Rack::start(folder.path(), 1 << 30, Some(region.origin.clone()));
        rack.apply(&[("f", &file)]);
        rack.until(case, |now| now.trouble.is_some()).await;
        assert!(rack.content("f").is_none(), "{case}");
        rack.until_ready(1).await;
        assert!(rack.content("f").unwrap() == file, "{case}");
        let asked = region.asked.lock().unwrap().clone();
        assert_eq!(asked.len(), requests, "{case}");
        let resumed = asked.iter().any(|(_, range)| range == "bytes=60000-99999");
        assert_eq!(resumed, case == "broken off", "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_spoiled_is_fetched_again_and_not_served() {
    let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let file = content(4, 5000);
    let region = Region::open(&[&file], &[], &tasks).await;
    let mut rack = Rack::start(folder.path(), 1 << 30, Some(region.origin.clone()));
    rack.apply(&[("f", &file)]);
    rack.until_ready(1).await;
    drop(rack);
    let path = folder.path().join("boot-files").join(hex(&digest_of(&file)));
    let mut spoiled = file.clone();
    spoiled[77] ^= 1;
    std::fs::write(&path, spoiled).unwrap();
    let mut rack = Rack::start(folder.path(), 1 << 30, None);
    rack.apply(&[("f", &file)]);
    let end = Instant::now() + LIMIT;
    while path.exists() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(rack.content("f").is_none());
    rack.origin.send_replace(Some(region.origin.clone()));
    rack.until_ready(1).await;
    assert!(rack.content("f").unwrap() == file);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_keeps_to_its_limit_and_never_drops_what_is_configured() {
    let (folder, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    let (old, new, huge) = (content(5, 600), content(6, 700), content(7, 5000));
    let region = Region::open(&[&old, &new, &huge], &[], &tasks).await;
    let mut rack = Rack::start(folder.path(), 1000, Some(region.origin.clone()));
    let kept =
        |bytes: &[u8]| folder.path().join("boot-files").join(hex(&digest_of(bytes))).exists();
    rack.apply(&[("f", &old)]);
    rack.until("old", |now| now.ready == 1).await;
    rack.apply(&[]);
    rack.until_ready(0).await;
    assert!(kept(&old), "nothing needs its room");
    rack.apply(&[("f", &new), ("huge", &huge)]);
    rack.until("huge does not fit", |now| now.ready == 1 && now.trouble.is_some()).await;
    assert!(rack.progress.borrow().trouble.as_ref().unwrap().contains("boot.cache-limit"));
    assert!(!kept(&old) && kept(&new));
    assert!(rack.content("f").unwrap() == new);
    assert!(rack.content("huge").is_none());
}
