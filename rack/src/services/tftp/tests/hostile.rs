//! Clients that vanish, repeat themselves, flood and lie.

use nix::{
    libc::{in_addr, in_pktinfo},
    sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg},
};
use std::{
    fs,
    io::IoSlice,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
};

use super::{Client, Failure, Limits, Stage, Step, content};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let mut stage = Stage::open(&[("f", &content(1_000_000))]).await;
    let mut vanishing = Vec::new();
    for _ in 0..20 {
        let client = Client::new(stage.address);
        client.request("f", "windowsize 16");
        let (_, from) = client.receive().unwrap();
        client.send_to(b"\0\x04\0\0", from);
        client.receive().unwrap();
        vanishing.push(client);
    }
    stage.until_clients(20).await;
    let ports: Vec<u16> =
        vanishing.iter().map(|client| client.socket.local_addr().unwrap().port()).collect();
    assert_eq!(connected_to(&ports), 20);
    // Its host tells of the closed port at the next block.
    drop(vanishing);
    stage.until_clients(0).await;
    assert_eq!(connected_to(&ports), 0, "its sockets are closed");
    for _ in 0..20 {
        let Step::Failed { failure, .. } = stage.ending().await else { panic!() };
        assert_eq!(failure, Failure::Aborted);
    }
}

/// How many UDP sockets of this machine have one of these ports at their other end: other tests of this process have sockets of their own.
fn connected_to(ports: &[u16]) -> usize {
    let sockets = fs::read_to_string("/proc/self/net/udp").unwrap();
    let other_end = |line: &str| {
        let (_, port) = line.split_whitespace().nth(2)?.split_once(':')?;
        u16::from_str_radix(port, 16).ok()
    };
    let ends = sockets.lines().skip(1).filter_map(other_end);
    ends.filter(|port| *port != 0 && ports.contains(port)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_again_is_answered_again() {
    let stage = Stage::open(&[("f", &content(3000)), ("g", b"other")]).await;
    let client = Client::new(stage.address);
    client.request("f", "tsize 0");
    let first = client.receive().unwrap();
    client.request("f", "tsize 0");
    assert_eq!(client.receive().unwrap(), first, "the same answer from the same port");
    stage.until_clients(1).await;
    // Another file from the same port: the first was given up.
    client.request("g", "");
    let (data, from) = client.receive().unwrap();
    assert_eq!(data, b"\0\x03\0\x01other");
    client.send_to(b"\0\x04\0\x01", from);
    stage.until_clients(0).await;
    // In the middle of a transfer it is a machine that began anew, or the wire's own doubling: both find a transfer that is theirs.
    client.request("f", "");
    let (_, old) = client.receive().unwrap();
    client.send_to(b"\0\x04\0\x01", old);
    client.receive().unwrap();
    client.request("f", "");
    let (again, new) = client.receive().unwrap();
    assert_eq!(again[..4], [0, 3, 0, 1]);
    assert_ne!(old, new);
    client.send_to(b"\0\x04\0\x02", old);
    let (third, _) = client.receive().unwrap();
    assert_eq!(third[..4], [0, 3, 0, 3], "the old one goes on");
}

/// Requests in the names of many addresses, from one socket that hears the answers and says nothing.
fn flood(server: SocketAddr, count: u32) -> UdpSocket {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let SocketAddr::V4(server) = server else { panic!("an IPv4 address") };
    let to = SockaddrIn::from(server);
    for number in 0..count {
        let source = Ipv4Addr::from_bits(0x7f01_0000 + number);
        let source = in_addr { s_addr: source.to_bits().to_be() };
        let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: source };
        let control = [ControlMessage::Ipv4PacketInfo(&info)];
        let request = [IoSlice::new(b"\0\x01f\0octet\0tsize\x000\0")];
        sendmsg(socket.as_raw_fd(), &request, &control, MsgFlags::empty(), Some(&to)).unwrap();
    }
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_transfers_are_bounded_and_make_room() {
    let limits = Limits { in_all: 200, per_client: 4 };
    let bytes = content(200_000);
    let stage = Stage::within(limits, &[("f", &bytes)]).await;
    let alive = Client::new(stage.address);
    alive.request("f", "");
    let (first, from) = alive.receive().unwrap();
    alive.send_to(b"\0\x04\0\x01", from);
    let (second, _) = alive.receive().unwrap();
    let _socket = flood(stage.address, 10_000);
    stage.until_clients(200).await;
    // The storm may have left no room for what it asks first.
    let late = Client::on_lossy_wire(stage.address);
    assert!(late.fetch("f", "blksize 1428").unwrap().bytes == bytes, "a machine gets through");
    let mut got = [&first[4..], &second[4..]].concat();
    got.extend(alive.go_on(from, 2, 512, 1).unwrap());
    assert!(got == bytes, "and who was alive before was not thrown out");
    assert!(stage.service.open() <= 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_has_no_more_than_its_share() {
    let limits = Limits { in_all: 200, per_client: 4 };
    let stage = Stage::within(limits, &[("f", &content(5000))]).await;
    let begun: Vec<_> = (0..4)
        .map(|_| {
            let client = Client::new(stage.address);
            client.request("f", "");
            let (_, from) = client.receive().unwrap();
            client.send_to(b"\0\x04\0\x01", from);
            client.receive().unwrap();
            client
        })
        .collect();
    let error = Client::new(stage.address).fetch("f", "").err().unwrap();
    assert!(error.contains("too many transfers"), "{error}");
    drop(begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn rubbish_is_not_answered_and_does_no_harm() {
    let bytes = content(5000);
    let stage = Stage::open(&[("f", &bytes)]).await;
    let client = Client::new(stage.address);
    client.request("f", "blksize 1428");
    let (_, from) = client.receive().unwrap();
    let mut seed = 3_u64;
    for round in 0..2000_u64 {
        let packet: Vec<u8> = (0..round % 40)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 57) as u8 & if round % 2 == 0 { 7 } else { 255 }
            })
            // An error would end the transfer, and has a test of its own.
            .enumerate()
            .map(|(at, byte)| if at == 1 && byte == 5 { 7 } else { byte })
            .collect();
        client.send_to(&packet, if round % 3 == 0 { stage.address } else { from });
    }
    // What is not taken yet of all that may leave no room for a request.
    let other = Client::on_lossy_wire(stage.address);
    assert!(other.fetch("f", "blksize 1428 windowsize 2").unwrap().bytes == bytes);
    let other = Client::new(stage.address);
    other.send(b"\0\x04\0\x01");
    other.send(b"\0\x03\0\x01data");
    assert!(other.hears_nothing(), "what belongs to no transfer is not answered");
}
