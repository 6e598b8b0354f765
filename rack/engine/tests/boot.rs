//! Machines that boot: what each is told, which address it keeps, and what is answered beside another server.

#[cfg(test)]
mod support;

use std::net::SocketAddrV4;

use engine::{
    boot::trace::{Answered, Seen},
    output::{Datagram, Link},
};
use support::{
    World,
    capture::{self, Capture},
    check,
    packet::Packet,
    reply::{self, Reply},
};

const LOADERS: &str = "boot bios=undionly.kpxe uefi-x64=snponly.efi uefi-arm64=arm/grubaa64.efi";
const LAN: &str = "1 on 0:10.77.1.2 / 10.77.1.0/24 range=10.77.1.80-10.77.1.99 routers=10.77.1.1";
const SCRIPT: &str = "http://10.77.1.2:7280/boot/script?uuid=${uuid}&serial=${serial:uristring}&mac=52:54:00:77:00:01&arch=";

/// A captured DISCOVER, answered.
fn answer(capture: &Capture, number: usize, config: &str) -> (World, Option<Reply>) {
    let mut world = World::new(&[config]);
    world.step(LOADERS);
    let message = &capture.messages[number];
    world.out.begin();
    let datagram = Datagram {
        link: Link(0),
        source: SocketAddrV4::new(message.address(12), 68),
        local: None,
        payload: &message.payload,
    };
    world.servers.handle_datagram(datagram, world.now, &mut world.out);
    let reply = world.out.early.first().map(|send| reply::read(world.out.payload(send)));
    (world, reply)
}

/// `siaddr`, `file`, and options as text.
fn told(reply: &Reply) -> String {
    let file = reply.message.fname().unwrap_or_default();
    let file = String::from_utf8_lossy(file);
    let text = |code| {
        let value = reply.options.iter().find(|(other, _)| *other == code);
        value.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    let file = file.trim_end_matches('\0');
    assert!(file == text(67) || file.is_empty(), "{file:?} {:?}", text(67));
    format!("{} {} 60={} 67={}", reply.message.siaddr(), text(66), text(60), text(67))
}

#[test]
fn real_firmware_is_told_of_its_loader() {
    let all = capture::all();
    let ipxe = |architecture: &str| format!("10.77.1.2 10.77.1.2 60= 67={SCRIPT}{architecture}");
    let rows = [
        ("ipxe-bios-e1000", 0, ipxe("bios")),
        ("ovmf-pxev4", 0, "10.77.1.2 10.77.1.2 60=PXEClient 67=snponly.efi".into()),
        // the same machine's loader
        ("ovmf-pxev4", 4, ipxe("uefi-x64")),
        (
            "ovmf-httpv4",
            0,
            "10.77.1.2 10.77.1.2 60=HTTPClient 67=http://10.77.1.2:7280/boot/snponly.efi".into(),
        ),
        ("ovmf-httpv4", 4, ipxe("uefi-x64")),
        ("aavmf-pxev4-arm64", 0, "10.77.1.2 10.77.1.2 60=PXEClient 67=arm/grubaa64.efi".into()),
    ];
    for (name, number, expected) in rows {
        let capture = all.iter().find(|capture| capture.name == name).unwrap();
        let (world, reply) = answer(capture, number, LAN);
        let reply = reply.unwrap();
        assert_eq!(told(&reply), expected, "{name} {number}");
        // a lease of a boot is short
        assert!(reply.options.contains(&(51, 120_u32.to_be_bytes().to_vec())), "{name}");
        // option 97 comes back as it was sent
        let machine = reply.options.iter().find(|(code, _)| *code == 97).unwrap();
        assert_eq!(machine.1[..5], [0, 0, 0x1c, 0x7e, 0x8a], "{name}");
        let seen = &world.out.sightings[0].seen;
        let Seen::Asked { uuid, answer: Answered::Loader(file), .. } = seen else {
            panic!("{name}: {seen:?}")
        };
        let uuid = uuid.map(|uuid| uuid.to_string());
        assert_eq!(uuid.as_deref(), Some("8a7e1c00-0000-4000-8000-525400770001"), "{name}");
        assert!(expected.ends_with(&format!("67={file}")), "{name}");
    }
}

#[test]
fn others_are_told_nothing_of_a_boot() {
    for capture in capture::all() {
        let is_firmware = ["ipxe", "ovmf", "aavmf"].iter().any(|own| capture.name.starts_with(own));
        if is_firmware {
            continue;
        }
        let (world, reply) = answer(&capture, 0, LAN);
        let reply = reply.unwrap();
        assert_eq!(told(&reply), "0.0.0.0  60= 67=", "{}", capture.name);
        assert!(world.out.sightings.is_empty(), "{}", capture.name);
    }
}

#[test]
fn a_subnet_may_give_an_architecture_no_loader() {
    let disabled = format!("{LAN} disabled=uefi-x64 file=own.efi");
    for (number, name, seen) in
        [(0, "ovmf-pxev4", Some(Answered::Disabled)), (0, "ipxe-bios-e1000", None)]
    {
        let all = capture::all();
        let capture = all.iter().find(|capture| capture.name == name).unwrap();
        let (world, reply) = answer(capture, number, &disabled);
        let told = told(&reply.unwrap());
        match seen {
            Some(expected) => {
                assert_eq!(told, "0.0.0.0  60= 67=", "{name}");
                let seen = &world.out.sightings[0].seen;
                assert!(matches!(seen, Seen::Asked { answer, .. } if *answer == expected));
            }
            // the operator's own file goes before ours
            None => assert_eq!(told, "10.77.1.2 10.77.1.2 60= 67=own.efi", "{name}"),
        }
    }
}

const SMALL: &str = "1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.12";
const FIRMWARE: (&str, &str) = (
    "request 1 pxe requested=10.0.0.10 server=10.0.0.1",
    "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 120",
);
const LOADER: (&str, &str) = (
    "request 1 ipxe requested=10.0.0.10 server=10.0.0.1",
    "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 120",
);
const SYSTEM: (&str, &str) = (
    "request 1 id=ff01 requested=10.0.0.10 server=10.0.0.1",
    "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
);
const OFFERED: &str = "offer 10.0.0.10 frame:10.0.0.10";

#[test]
fn one_machine_keeps_one_address() {
    check(
        &[SMALL],
        &[
            ("discover 1 pxe", OFFERED),
            FIRMWARE,
            ("discover 2", "offer 10.0.0.11 frame:10.0.0.11"),
            ("discover 1 ipxe", OFFERED),
            LOADER,
            // also when the rack was started anew in between
            ("restart", ""),
            (&format!("config {SMALL}"), ""),
            ("discover 1 id=ff01", OFFERED),
            SYSTEM,
            // it is switched on again: the firmware has the address of the system, which keeps its time
            ("wait 100", ""),
            ("discover 1 pxe", OFFERED),
            (
                "request 1 pxe requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 500",
            ),
            // another system has been installed; the old one's name means nothing any more
            ("discover 1 id=ff02", OFFERED),
            (
                "request 1 id=ff02 requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            ("discover 1 id=ff01", "offer 10.0.0.11 frame:10.0.0.11"),
        ],
    );
}

#[test]
fn a_system_that_asks_for_its_former_address_has_it() {
    check(
        &[SMALL],
        &[
            ("discover 1 id=ff01", OFFERED),
            SYSTEM,
            ("discover 1 pxe", OFFERED),
            (
                "request 1 pxe requested=10.0.0.10 server=10.0.0.1",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            // INIT-REBOOT, and a renewal of one that was never switched off
            (
                "request 1 id=ff01 requested=10.0.0.10",
                "ack 10.0.0.10 frame:10.0.0.10 +bound 10.0.0.10 600",
            ),
            ("request 1 ipxe ciaddr=10.0.0.10", "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600"),
            (
                "request 1 id=ff01 ciaddr=10.0.0.10",
                "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600",
            ),
        ],
    );
}

/// A lease is another stage's only by the same network card at the same port, and only if one of the two boots.
#[test]
fn nobody_takes_anothers_lease_by_booting() {
    let uuid = format!("97=00{}", "ab".repeat(16));
    let rows = [
        ("another card, the same UUID", format!("2 pxe {uuid}")),
        ("another card, another identifier", "2 pxe id=ff77".into()),
        ("two systems behind one card", "1 id=ff02".into()),
        ("a system that names itself by its card", "1 id=01020000000001".into()),
        ("the same card at another port", "1 pxe 82=010162".into()),
        ("another kind of hardware", "1 pxe hlen=5".into()),
    ];
    for (what, client) in rows {
        let mut world = World::new(&[SMALL]);
        world.step(&format!("request 1 id=ff01 {uuid} requested=10.0.0.10 server=10.0.0.1"));
        for kind in ["discover", "request"] {
            let said = world.step(&format!("{kind} {client} requested=10.0.0.10"));
            assert!(!said.contains("10.0.0.10"), "{what}: {said}");
        }
        let said = world.step(&format!("request {client} ciaddr=10.0.0.10"));
        assert_eq!(said, "nak broadcast", "{what}");
        let kept = world.step("request 1 id=ff01 ciaddr=10.0.0.10");
        assert_eq!(kept, "ack 10.0.0.10 10.0.0.10:68 +bound 10.0.0.10 600", "{what}");
    }
}

#[test]
fn leases_of_a_boot_are_short_and_as_long_as_the_subnets_at_most() {
    check(
        &["1 on 0:10.0.0.1 / 10.0.0.0/24 range=10.0.0.10-10.0.0.12 lease=60"],
        &[
            ("discover 1 pxe show=51", "offer 10.0.0.10 frame:10.0.0.10 51=0000003c"),
            ("discover 1 pxe lease=30 show=51", "offer 10.0.0.10 frame:10.0.0.10 51=0000001e"),
            ("discover 1 show=51", "offer 10.0.0.10 frame:10.0.0.10 51=0000003c"),
        ],
    );
}

const BESIDE: &str = "1 proxy on 0:10.0.0.2 / 10.0.0.0/24";

#[test]
fn beside_another_server_only_machines_that_boot_are_answered() {
    let text = |hex: &str| hex.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pxe = text("PXEClient");
    let offer = format!("offer broadcast 60={pxe} 43=060108ff 67={} 51= 1=", text("snponly.efi"));
    let ack = format!("ack 10.0.0.50:68 60={pxe} 43=060108ff 67={} 51= 1=", text("snponly.efi"));
    let show = "show=60,43,67,51,1 want=1,3,43,60,67";
    check(
        &[BESIDE],
        &[
            (LOADERS, ""),
            ("discover 1", ""),
            (&format!("discover 1 pxe {show}"), &offer),
            // it takes the other server's address
            ("request 1 pxe requested=10.0.0.50 server=10.0.0.1", ""),
            // and asks the boot server
            (&format!("request 1 pxe source=10.0.0.50 local=10.0.0.2 {show}"), &ack),
            ("request 1 pxe source=10.0.0.50 local=10.0.0.2 server=10.0.0.1", ""),
            ("discover 1 class=PXEClient 93=0006", ""),
            (
                "discover 1 class=HTTPClient 93=0010 show=60",
                &format!("offer broadcast 60={}", text("HTTPClient")),
            ),
            ("discover 1 ipxe show=60", &format!("offer broadcast 60={pxe}")),
            ("release 1 pxe ciaddr=10.0.0.50", ""),
            ("request 1 ciaddr=10.0.0.50 source=10.0.0.50 local=10.0.0.2", ""),
        ],
    );
}

#[test]
fn what_is_seen_of_a_boot() {
    let mut world = World::new(&[SMALL]);
    world.step(LOADERS);
    let mut seen = |line: &str| {
        world.out.begin();
        world.exchange(&Packet::parse(line));
        let seen = world.out.sightings.iter().map(|sighting| match &sighting.seen {
            Seen::Asked { client, answer, .. } => format!("{} {answer:?}", client.name()),
            Seen::Bound { address } => format!("bound {address}"),
            Seen::System => "system".into(),
        });
        let seen = seen.collect::<Vec<_>>().join("; ");
        world.commit();
        seen
    };
    let rows = [
        ("discover 1 pxe", "pxe Loader(\"snponly.efi\")"),
        ("request 1 pxe requested=10.0.0.10 server=10.0.0.1", "bound 10.0.0.10"),
        ("discover 2", ""),
        ("discover 1 id=ff01", "system"),
        ("request 1 id=ff01 requested=10.0.0.10 server=10.0.0.1", ""),
        ("discover 3 class=PXEClient 93=0006", "pxe NoLoader"),
        ("request 1 id=ff01 requested=10.0.0.10", ""),
        ("discover 5 pxe", "pxe NoAddress"),
    ];
    for (line, expected) in rows {
        assert_eq!(seen(line), expected, "{line}");
    }
}
