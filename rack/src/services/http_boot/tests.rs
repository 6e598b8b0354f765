//! The server as clients meet it, on loopback.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use super::*;
use crate::services::{
    boot_events::{Failure, Step},
    boot_stage::{self, LIMIT, Staged, content},
};

type Stage = boot_stage::Stage<HttpBootService>;

impl Staged for HttpBootService {
    const LIMITS: Limits = LIMITS;

    fn within(
        limits: Limits,
        table: watch::Receiver<Arc<Table>>,
        events: BootEvents,
        tasks: &Tasks,
    ) -> Self {
        Self::within(limits, table, events, tasks)
    }

    async fn listen_somewhere(&self) -> SocketAddr {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        self.listen(&[address]).await.unwrap();
        address
    }

    fn clients(&self) -> usize {
        self.open()
    }
}

impl Stage {
    fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Connection { stream, read: Vec::new() }
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
    stage.show_nothing();
    assert_eq!(client.ask("GET", target, "").status, 503, "nothing is configured yet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_with_what_it_began_with() {
    let (old, new) = (content(20_000_000), content(100));
    let mut stage = Stage::open(&[("a", &old)]).await;
    let mut client = stage.connect();
    client.send("GET", "/boot/a", "");
    client.more();
    stage.show(&[("a", &new)]);
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
    stage.until_clients(0).await;
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
    stage.until_clients(1).await;
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
