//! The server as clients meet it, on loopback addresses and ports that nobody else has.

mod client;
mod faults;
mod hostile;

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
};

use runtime::tasks::Tasks;
use tokio::sync::watch;

use super::{TftpService, active::LIMITS};
use crate::services::{
    boot_events::{BootEvents, Failure, Step},
    boot_files::Table,
    boot_stage::{self, Staged, content},
    limits::Limits,
};
use client::{Client, Fetched};

type Stage = boot_stage::Stage<TftpService>;

impl Staged for TftpService {
    const LIMITS: Limits = LIMITS;

    fn within(
        limits: Limits,
        table: watch::Receiver<Arc<Table>>,
        events: BootEvents,
        tasks: &Tasks,
    ) -> Self {
        Self::start_within(limits, table, events, tasks).unwrap()
    }

    async fn listen_somewhere(&self) -> SocketAddr {
        let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        self.listen(vec![address]).await.unwrap();
        address
    }

    fn clients(&self) -> usize {
        self.open()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_size_arrives_whole_on_any_terms() {
    let sizes = [0, 1, 511, 512, 513, 1024, 100_000, 700_000];
    let files: Vec<_> = sizes.iter().map(|size| (format!("f{size}"), content(*size))).collect();
    let named: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let mut stage = Stage::open(&named).await;
    for options in [
        "",
        "blksize 1428",
        "blksize 1428 windowsize 16 tsize 0",
        "windowsize 3",
        "blksize 65464 windowsize 64",
        "blksize 8192 windowsize 8",
        // 87,500 blocks: numbers begin anew.
        "blksize 8 windowsize 64",
    ] {
        for (path, bytes) in &files {
            let size = bytes.len() as u64;
            let fetched = Client::new(stage.address).fetch(path, options).unwrap();
            assert!(fetched.bytes == *bytes, "{path} by {options:?}");
            assert_eq!(stage.ending().await, Step::Done { sent: size }, "{path} by {options:?}");
        }
    }
    stage.until_clients(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_what_holds() {
    let stage = Stage::open(&[("f", &content(3000))]).await;
    for (asked, granted) in [
        ("tsize 0", "tsize 3000"),
        ("blksize 1428 tsize 0", "blksize 1428 tsize 3000"),
        ("windowsize 1000 timeout 2", "timeout 2 windowsize 64"),
        ("blksize 4 multicast x tsize 0", "tsize 3000"),
        ("multicast x", ""),
    ] {
        let Fetched { options, bytes } = Client::new(stage.address).fetch("f", asked).unwrap();
        assert_eq!((options.as_str(), bytes.len()), (granted, 3000), "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_why() {
    let mut stage = Stage::open(&[("a/b", b"x")]).await;
    for (request, code, word, failure) in [
        (&b"\0\x01nothing\0octet\0"[..], 1, "no such file", Failure::NotFound),
        (b"\0\x01a\0octet\0", 1, "no such file", Failure::NotFound),
        (b"\0\x01coming\0octet\0", 0, "not come from region", Failure::NotFetched),
        (b"\0\x01a/b\0netascii\0", 4, "octet", Failure::Refused),
        (b"\0\x01a/b\0mail\0", 4, "octet", Failure::Refused),
        (b"\0\x02a/b\0octet\0", 2, "read only", Failure::Refused),
        (b"\0\x01../../etc/passwd\0octet\0", 2, "out of what is served", Failure::Refused),
        (b"\0\x01/etc/passwd\0octet\0", 1, "no such file", Failure::NotFound),
        (b"\0\x01..\\..\\x\0octet\0", 2, "out of what is served", Failure::Refused),
        (b"\0\x01\xff\0octet\0", 2, "no text", Failure::Refused),
    ] {
        let client = Client::new(stage.address);
        client.send(request);
        let (answer, _) = client.receive().unwrap();
        let about = request.escape_ascii();
        assert_eq!(answer[..4], [0, 5, 0, code], "{about}");
        assert!(String::from_utf8_lossy(&answer).contains(word), "{about}");
        assert_eq!(stage.ending().await, Step::Failed { sent: 0, failure }, "{about}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slashes_are_as_firmware_writes_them() {
    let stage = Stage::open(&[("boot/x64.efi", b"loader")]).await;
    for path in ["boot/x64.efi", "/boot/x64.efi", "//boot//x64.efi", "\\boot\\x64.efi"] {
        assert_eq!(Client::new(stage.address).fetch(path, "").unwrap().bytes, b"loader");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_probe_is_no_fault() {
    let mut stage = Stage::open(&[("f", &content(5000))]).await;
    let client = Client::new(stage.address);
    for _ in 0..2 {
        client.request("f", "tsize 0 blksize 1468");
        let (offer, from) = client.receive().unwrap();
        assert_eq!(offer, b"\0\x06blksize\x001468\0tsize\x005000\0");
        client.send_to(b"\0\x05\0\x08User aborted the transfer\0", from);
        assert_eq!(stage.ending().await, Step::Probed);
    }
    stage.until_clients(0).await;
    // And from the same port for good.
    assert_eq!(client.fetch("f", "blksize 1468").unwrap().bytes, content(5000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_goes_on_with_what_it_began_with() {
    let (old, new) = (content(3000), content(4000));
    let mut stage = Stage::open(&[("f", &old)]).await;
    let client = Client::new(stage.address);
    client.request("f", "");
    let (first, from) = client.receive().unwrap();
    stage.show(&[("f", &new)]);
    let mut bytes = first[4..].to_vec();
    let rest = client.go_on(from, 1, 512, 1).unwrap();
    bytes.extend(rest);
    assert!(bytes == old);
    assert_eq!(stage.ending().await, Step::Done { sent: 3000 });
    assert!(Client::new(stage.address).fetch("f", "").unwrap().bytes == new);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_come_and_go_without_breaking_a_transfer() {
    let bytes = content(3000);
    let stage = Stage::open(&[("f", &bytes)]).await;
    let client = Client::new(stage.address);
    client.request("f", "");
    let (_, from) = client.receive().unwrap();
    assert_eq!(from.ip(), stage.address.ip());
    let second = SocketAddr::new([127, 0, 0, 2].into(), stage.address.port());
    stage.service.listen(vec![second]).await.unwrap();
    assert_eq!(client.go_on(from, 1, 512, 1).unwrap().len(), 3000 - 512);
    let other = Client::new(second);
    other.request("f", "");
    let (_, from) = other.receive().unwrap();
    assert_eq!(from.ip(), second.ip(), "the answer comes from the address that was asked");
    let taken = UdpSocket::bind("127.0.0.3:0").unwrap().local_addr().unwrap();
    let holder = UdpSocket::bind(taken).unwrap();
    let error = stage.service.listen(vec![second, taken]).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.3") && error.contains("is taken"), "{error}");
    drop(holder);
    assert_eq!(other.fetch("f", "tsize 0").unwrap().bytes.len(), 3000, "the others go on");
}
