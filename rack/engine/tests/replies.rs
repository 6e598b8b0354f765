//! What stands in a reply: which options, in which order, how many.

#[cfg(test)]
mod support;

use support::{
    World, check,
    packet::Packet,
    reply::{self, Reply},
};

const LAN: &str = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.99 routers=10.0.0.1 \
    domain-name-servers=10.0.0.53,10.0.0.54 domain-name=example.com domain-search=a.example.com,b.example.com \
    ntp-servers=10.0.0.5 interface-mtu=9000 classless-static-routes=10.1.0.0/16=10.0.0.2,0.0.0.0/0=10.0.0.1 \
    root-path=/srv time-offset=-1 ip-forwarding=true next=10.0.0.7 file=pxe.0";

#[test]
fn options_are_encoded_as_their_rfcs_say() {
    check(
        &[LAN],
        &[
            (
                "discover 1 want=1,3,6,15 show=1,3,6,15",
                "offer 10.0.0.10 frame:10.0.0.10 1=ffffff00 3=0a000001 6=0a0000350a000036 15=6578616d706c652e636f6d",
            ),
            (
                "discover 1 want=26,28,42,51,54 show=26,28,42,51,54",
                "offer 10.0.0.10 frame:10.0.0.10 26=2328 28=0a0000ff 42=0a000005 51=00000258 54=0a000001",
            ),
            ("discover 1 show=58,59", "offer 10.0.0.10 frame:10.0.0.10 58=0000012c 59=0000020d"),
            (
                "discover 1 want=66,67 show=66,67",
                "offer 10.0.0.10 frame:10.0.0.10 66=31302e302e302e37 67=7078652e30",
            ),
            (
                "discover 1 want=119 show=119",
                "offer 10.0.0.10 frame:10.0.0.10 119=0161076578616d706c6503636f6d000162c002",
            ),
            (
                "discover 1 want=121 show=121",
                "offer 10.0.0.10 frame:10.0.0.10 121=100a010a000002000a000001",
            ),
            (
                "discover 1 want=2,17,19 show=2,17,19",
                "offer 10.0.0.10 frame:10.0.0.10 2=ffffffff 17=2f737276 19=01",
            ),
            // not asked for, not sent
            ("discover 1 want=3 show=6", "offer 10.0.0.10 frame:10.0.0.10 6="),
            // asked for nothing: the usual
            (
                "discover 1 show=3,6,28,42",
                "offer 10.0.0.10 frame:10.0.0.10 3=0a000001 6=0a0000350a000036 28=0a0000ff 42=",
            ),
        ],
    );
}

#[test]
fn options_leave_in_the_clients_order_behind_the_protocols_own() {
    let rows = [
        (
            "discover 1 id=0102 want=121,15,3,15,1,6,99,53,51,82,255,0 82=0102aabb",
            "10.0.0.7",
            vec![53, 54, 51, 58, 59, 61, 1, 121, 15, 3, 6, 82],
        ),
        ("request 1 requested=9.9.9.9 id=0102 want=3 82=0102aabb", "0.0.0.0", vec![53, 54, 61, 82]),
    ];
    for (line, next_server, codes) in rows {
        let reply = first_reply(LAN, line).unwrap();
        assert_eq!(
            (reply.codes(), reply.message.siaddr().to_string()),
            (codes, next_server.into())
        );
    }
}

#[test]
fn a_reply_is_cut_at_what_the_client_takes() {
    let names = (0..90).map(|n| format!("n{n}.example")).collect::<Vec<_>>().join(",");
    let servers = (1..=60).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>().join(",");
    let large = format!(
        "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.99 domain-search={names} \
        time-servers={servers} log-servers={servers} nis-servers={servers} routers=10.0.0.1"
    );
    let rows: [(&str, &[u8]); 4] = [
        // what does not fit is left out, what comes after it and does goes in
        ("want=4,7,3", &[4, 3]),
        ("want=4,7,41,3 largest=800", &[4, 7, 3]),
        ("want=4,7,41,119,3 largest=65535", &[4, 7, 41, 3]),
        // a long option is in parts (RFC 3396)
        ("want=119,3 largest=1500", &[119, 119, 119, 3]),
    ];
    for (asked, expected) in rows {
        let packet = Packet::parse(&format!("discover 1 {asked}"));
        let reply = first_reply(&large, &format!("discover 1 {asked}")).unwrap();
        assert!(reply.answers(&packet), "{reply:?}");
        assert_eq!(reply.codes()[6..], *expected, "{asked}");
    }
    assert_eq!(first_reply(&large, "discover 1 want=3 largest=100").unwrap().length, 300);
}

#[test]
fn options_in_parts_and_in_file_and_sname_are_read() {
    let rows = [
        // RFC 3396: one identifier, wherever its parts stand
        ("discover 1 id=aabb name=x id=ccdd", "61=aabbccdd"),
        ("discover 1 id=aabb id=ccdd", "61=aabbccdd"),
        // option 52: file, then sname, each with its own end
        ("discover 1 52=03 id=aa file=00003d01bbff3d01ee sname=3d01ccff", "61=aabbcc"),
        ("discover 1 52=01 id=aa file=3d01bbff sname=3d01ccff", "61=aabb"),
        ("discover 1 52=02 id=aa file=3d01bbff sname=3d01ccff", "61=aacc"),
        ("discover 1 id=aa file=3d01bbff sname=3d01ccff", "61=aa"),
        // in there it means nothing
        ("discover 1 52=01 id=aa file=340102ff sname=3d01ccff", "61=aa"),
    ];
    for (line, expected) in rows {
        let shown = first_reply(LAN, line).map(|reply| reply.shown(&[61]));
        assert_eq!(shown.as_deref(), Some(&*format!(" {expected}")), "{line}");
    }
    let long = "ab".repeat(200);
    let silent = [
        format!("discover 1 id={long} id={long}"),
        "discover 1 53=01".into(),
        "discover 1 52=01 file=3d99".into(),
        "discover 1 52=02 sname=3d40".into(),
    ];
    for line in silent {
        assert!(first_reply(LAN, &line).is_none(), "{line}");
    }
}

fn first_reply(config: &str, line: &str) -> Option<Reply> {
    let (mut world, packet) = (World::new(&[config]), Packet::parse(line));
    world.out.begin();
    let bytes = packet.bytes();
    world.servers.handle_datagram(packet.datagram(&bytes), world.now, &mut world.out);
    world.out.early.first().map(|send| reply::read(world.out.payload(send)))
}
