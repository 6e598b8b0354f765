//! The server as clients meet it, on loopback.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use common::rack_config::{BootConfig, BootParts};
use std::{
    fs::File,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::unix::fs::FileExt,
};
use tokio::sync::mpsc;

use super::*;
use crate::services::{
    boot_events::{self, BootEvent, Failure, Step},
    boot_files::{Content, Entry, Scripts, StoredFile},
};
use runtime::clock::Clock;

const LIMIT: Duration = Duration::from_secs(20);

struct Stage {
    service: HttpBootService,
    address: SocketAddr,
    table: watch::Sender<Arc<Table>>,
    events: mpsc::Receiver<BootEvent>,
    _tasks: Tasks,
}

fn content(size: usize) -> Vec<u8> {
    (0..size as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8).collect()
}

fn stored(bytes: &[u8]) -> Entry {
    let file: File = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    let digest = digest(&SHA256, bytes).as_ref().try_into().unwrap();
    let size = bytes.len() as u64;
    Entry::Ready(Content::Stored(Arc::new(StoredFile { file, size, digest })))
}

fn table(files: &[(&str, &[u8])]) -> Table {
    let mut all: std::collections::BTreeMap<_, _> =
        files.iter().map(|(path, bytes)| (path.parse().unwrap(), stored(bytes))).collect();
    all.insert("coming".parse().unwrap(), Entry::Awaited);
    let made = Content::Made(Bytes::from_static(b"#!ipxe\n"));
    all.insert("made".parse().unwrap(), Entry::Ready(made));
    let config = Arc::new(BootConfig::new(BootParts::default()).unwrap());
    Table::new(all, Some(Scripts { config, port: 7280 }))
}

impl Stage {
    async fn open(files: &[(&str, &[u8])]) -> Self {
        Self::within(Limits::DEFAULT, files).await
    }

    async fn within(limits: Limits, files: &[(&str, &[u8])]) -> Self {
        let tasks = Tasks::new();
        let (table, shown) = watch::channel(Arc::new(table(files)));
        let (events, told) = boot_events::channel(Clock::system());
        let service = HttpBootService::within(limits, shown, events, &tasks);
        // Asked for and let go: nobody else on this machine takes it at this moment.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        service.listen(&[address]).await.unwrap();
        Self { service, address, table, events: told, _tasks: tasks }
    }

    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Connection { stream, read: Vec::new() }
    }

    async fn ending(&mut self) -> Step {
        let next = async {
            loop {
                let step = self.events.recv().await.unwrap().step;
                if !matches!(step, Step::Started { .. } | Step::Bytes { .. }) {
                    return step;
                }
            }
        };
        tokio::time::timeout(LIMIT, next).await.unwrap()
    }
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        self.head
            .lines()
            .find(|own| line(own))
            .and_then(|own| own.split_once(": "))
            .map(|own| own.1)
    }
}

impl Connection {
    fn send(&mut self, method: &str, target: &str, headers: &str) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
    }

    fn ask(&mut self, method: &str, target: &str, headers: &str) -> Answer {
        self.send(method, target, headers);
        self.receive(method == "HEAD")
    }

    fn more(&mut self) {
        let mut piece = [0; 65536];
        let count = self.stream.read(&mut piece).unwrap();
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
        self.read.extend(&piece[..count]);
    }

    fn receive(&mut self, no_body: bool) -> Answer {
        let end = loop {
            match self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => self.more(),
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length: usize = answer.header("content-length").unwrap_or("0").parse().unwrap();
        if !no_body && status != 304 {
            while self.read.len() < length {
                self.more();
            }
            answer.body = self.read.drain(..length).collect();
        }
        answer
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_a_file_is_right() {
    let bytes = content(5_000_001);
    let mut stage = Stage::open(&[("a/k.efi", &bytes), ("empty", b"")]).await;
    let mut client = stage.connect();
    let whole = client.ask("GET", "/boot/a/k.efi", "");
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("application/efi")));
    assert!(whole.body == bytes);
    assert_eq!(stage.ending().await, Step::Done { sent: 5_000_001 });
    let etag = whole.header("etag").unwrap().to_owned();
    let other = "\"0000\"";
    for (headers, status, expected, range) in [
        ("Range: bytes=0-0".to_owned(), 206, &bytes[..1], Some("bytes 0-0/5000001")),
        (
            "Range: bytes=4999999-".into(),
            206,
            &bytes[4_999_999..],
            Some("bytes 4999999-5000000/5000001"),
        ),
        (
            "Range: bytes=-1500000".into(),
            206,
            &bytes[3_500_001..],
            Some("bytes 3500001-5000000/5000001"),
        ),
        ("Range: bytes=0-1,4-5".into(), 200, &bytes[..], None),
        (
            "Range: bytes=5000001-".into(),
            416,
            &b"Range Not Satisfiable\n"[..],
            Some("bytes */5000001"),
        ),
        (
            format!("Range: bytes=5-9\r\nIf-Range: {etag}"),
            206,
            &bytes[5..10],
            Some("bytes 5-9/5000001"),
        ),
        (format!("Range: bytes=5-9\r\nIf-Range: {other}"), 200, &bytes[..], None),
        (format!("If-None-Match: {other}, {etag}"), 304, &[], None),
        (format!("If-None-Match: W/{etag}"), 304, &[], None),
        ("If-None-Match: *".into(), 304, &[], None),
        (format!("If-None-Match: {other}"), 200, &bytes[..], None),
    ] {
        let answer = client.ask("GET", "/boot/a/k.efi", &format!("{headers}\r\n"));
        assert_eq!((answer.status, answer.header("content-range")), (status, range), "{headers}");
        assert!(answer.body == expected, "{headers}");
    }
    let head = client.ask("HEAD", "/boot/a/k.efi", "");
    assert_eq!((head.status, head.header("content-length")), (200, Some("5000001")));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    assert_eq!(client.ask("GET", "/boot/empty", "").header("content-length"), Some("0"));
    assert_eq!(client.ask("GET", "/boot/made", "").body, b"#!ipxe\n");
}

/// Requests sent before the answers of the earlier ones are read: pieces of files must not change places.
#[tokio::test(flavor = "multi_thread")]
async fn answers_keep_their_order_on_one_connection() {
    let (one, two) = (content(700_000), content(300_001));
    let stage = Stage::open(&[("one", &one), ("two", &two)]).await;
    let mut client = stage.connect();
    let order = ["one", "two", "made", "two", "none", "one"];
    for path in order {
        client.send("GET", &format!("/boot/{path}"), "");
    }
    for path in order {
        let answer = client.receive(false);
        let expected: &[u8] = match path {
            "one" => &one,
            "two" => &two,
            "made" => b"#!ipxe\n",
            _ => b"Not Found\n",
        };
        assert!(answer.body == expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why() {
    let mut stage = Stage::open(&[("a", b"x")]).await;
    let mut client = stage.connect();
    for (method, target, status, failure) in [
        ("GET", "/boot/none", 404, Failure::NotFound),
        ("GET", "/", 404, Failure::NotFound),
        ("GET", "/etc/passwd", 404, Failure::NotFound),
        ("GET", "/boot/../etc/passwd", 400, Failure::Refused),
        ("GET", "/boot/%2e%2e/%2e%2e/etc/passwd", 400, Failure::Refused),
        ("GET", "/boot/..%5c..%5cx", 400, Failure::Refused),
        ("GET", "/boot/%ff", 400, Failure::Refused),
        ("GET", "/boot/coming", 503, Failure::NotFetched),
        ("DELETE", "/boot/a", 405, Failure::Refused),
    ] {
        let answer = client.ask(method, target, "");
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(stage.ending().await, Step::Failed { sent: 0, failure }, "{target}");
        assert!(status != 405 || answer.header("allow") == Some("GET, HEAD"));
        assert!(status != 503 || answer.header("retry-after").is_some());
    }
    let mut rude = stage.connect();
    rude.stream.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").unwrap();
    assert_eq!(rude.receive(false).status, 400);
    let mut long = stage.connect();
    let header = "x".repeat(40_000);
    long.stream.write_all(format!("GET / HTTP/1.1\r\nA: {header}\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(long.receive(false).status, 431);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_gets_its_own_script() {
    let mut stage = Stage::open(&[]).await;
    let mut client = stage.connect();
    let target = "/boot/script?mac=52:54:00:12:34:56&serial=S%201&arch=uefi-x64";
    let answer = client.ask("GET", target, "");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.starts_with("#!ipxe\n") && text.contains("52:54:00:12:34:56"), "{text}");
    assert!(text.contains(&format!("http://{}:7280/boot/script", stage.address.ip())), "{text}");
    let event = stage.events.recv().await.unwrap();
    assert_eq!(event.told.mac, "52:54:00:12:34:56".parse().ok());
    stage.table.send_replace(Arc::default());
    assert_eq!(client.ask("GET", target, "").status, 503, "nothing is configured yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_with_what_it_began_with() {
    let (old, new) = (content(20_000_000), content(100));
    let mut stage = Stage::open(&[("a", &old)]).await;
    let mut client = stage.connect();
    client.send("GET", "/boot/a", "");
    client.more();
    stage.table.send_replace(Arc::new(table(&[("a", &new)])));
    stage.service.listen(&[]).await.unwrap();
    assert!(client.receive(false).body == old);
    assert!(client.ask("GET", "/boot/a", "").body == new, "and the connection with the new");
    assert_eq!(stage.ending().await, Step::Done { sent: 20_000_000 });
    assert!(TcpStream::connect(stage.address).is_err(), "nobody listens there any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let mut stage = Stage::open(&[("a", &content(30_000_000))]).await;
    let mut client = stage.connect();
    client.send("GET", "/boot/a", "");
    client.more();
    client.stream.shutdown(Shutdown::Both).unwrap();
    drop(client);
    let Step::Failed { sent, failure: Failure::Aborted } = stage.ending().await else { panic!() };
    assert!(sent < 30_000_000, "{sent}");
    let end = std::time::Instant::now() + LIMIT;
    while stage.service.open() > 0 {
        assert!(std::time::Instant::now() < end);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_has_no_more_than_its_share() {
    let stage = Stage::within(Limits { in_all: 10, per_client: 2 }, &[("a", b"x")]).await;
    let (mut one, mut two) = (stage.connect(), stage.connect());
    assert_eq!(one.ask("GET", "/boot/a", "").body, b"x");
    assert_eq!(two.ask("GET", "/boot/a", "").body, b"x");
    let mut three = stage.connect();
    assert_eq!(three.stream.read(&mut [0; 1]).unwrap_or(0), 0, "closed at once");
    drop(one);
    let end = std::time::Instant::now() + LIMIT;
    while stage.service.open() > 1 {
        assert!(std::time::Instant::now() < end);
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stage.connect().ask("GET", "/boot/a", "").body, b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said() {
    let stage = Stage::open(&[("a", b"x")]).await;
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let error = stage.service.listen(&[stage.address, taken]).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1") && error.contains("is taken"), "{error}");
    assert_eq!(stage.connect().ask("GET", "/boot/a", "").body, b"x", "the others go on");
}
