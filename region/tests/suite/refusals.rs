//! What is refused, and every reason for it: field, value, rule.

use common::Objection;
use plan::Rack;
use proto::v1::Write;
use region::operations::{self, OperationError};

use crate::{
    machines::files,
    network,
    support::{World, admin, on_both},
};

type Refusal = (&'static str, &'static str, &'static [[&'static str; 3]]);

const ON_CREATE: &[Refusal] = &[
    (
        "fabric",
        "name=DC",
        &[["name", "DC", "must be 1 to 63 lower-case letters, digits and inner hyphens"]],
    ),
    ("fabric", "", &[["name", "", "must be given"]]),
    ("fabric", "name=dc1", &[["name", "", "there is already a fabric dc1"]]),
    ("vlan", "fabric=dc1 vid=10", &[["vid", "", "there is already a vlan dc1/10"]]),
    (
        "vlan",
        "fabric=dc9 vid=5000 mtu=3",
        &[
            ["fabric", "dc9", "is no fabric; see: hostler fabric list"],
            ["vid", "5000", "must be from 0 (untagged) to 4094"],
            ["mtu", "3", "must be from 552 to 65535 bytes"],
        ],
    ),
    (
        "vlan",
        "fabric=dc1 vid=11 primary_rack=rack1 secondary_rack=rack1",
        &[["secondary_rack", "rack1", "is the primary rack already"]],
    ),
    (
        "vlan",
        "fabric=dc1 vid=11 secondary_rack=rack1",
        &[["secondary_rack", "rack1", "needs a primary rack to stand by for"]],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=10.0.0.0/25",
        &[["cidr", "10.0.0.0/25", "overlaps 10.0.0.0/24 in the same VRF"]],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=10.0.0.0/8 gateway=11.0.0.1",
        &[
            ["cidr", "10.0.0.0/8", "overlaps 10.0.0.0/24 in the same VRF"],
            ["gateway", "11.0.0.1", "must be inside 10.0.0.0/8"],
        ],
    ),
    (
        "subnet",
        "vrf=blue vlan=dc1/10 cidr=10.0.0.0/25",
        &[["cidr", "10.0.0.0/25", "overlaps 10.0.0.0/24 in the same VRF"]],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=10.0.1.7/24",
        &[["cidr", "10.0.1.7/24", "has host bits set; its network is 10.0.1.0/24"]],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=2001:db8::/33 dns_servers=ff02::1,10.0.0.53",
        &[
            ["dns_servers", "ff02::1", "must be one host's address"],
            ["dns_servers", "10.0.0.53", "is not of the family of 2001:db8::/33"],
        ],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=10.0.1.0/24 gateway=10.0.1.255 ntp_servers=10.0.0.9,10.0.0.9 next_server=224.0.0.1 mtu=9000 \
         routes=10.0.1.128/25=10.0.1.1,10.9.0.0/16=10.2.0.1 options=tz-name=A",
        &[
            ["gateway", "10.0.1.255", "is the broadcast address"],
            ["ntp_servers", "10.0.0.9", "is listed twice"],
            ["next_server", "224.0.0.1", "must be one host's address"],
            ["mtu", "9000", "is more than the VLAN's 1500"],
            [
                "routes",
                "10.0.1.128/25=10.0.1.1",
                "leads into 10.0.1.0/24, which is reached directly",
            ],
            ["routes", "10.9.0.0/16=10.2.0.1", "has a router that must be inside 10.0.1.0/24"],
        ],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=10.0.1.0/24 options=lease-time=60 lease_seconds=5 next_server=2001:db8::1",
        &[
            ["lease_seconds", "5", "must be from 10 seconds to 31536000 (a year)"],
            ["next_server", "2001:db8::1", "must be an IPv4 address"],
            ["options", "lease-time=60", "lease-time is computed for each reply; it cannot be set"],
        ],
    ),
    (
        "range",
        "subnet=10.0.0.0/24 first=10.0.0.0 last=10.0.1.5",
        &[
            ["first", "10.0.0.0", "is the network's own address"],
            ["last", "10.0.1.5", "must be inside 10.0.0.0/24"],
            ["first", "10.0.0.0-10.0.1.5", "overlaps 10.0.0.100-10.0.0.200 of the same subnet"],
        ],
    ),
    (
        "range",
        "subnet=10.0.0.0/24 first=10.0.0.50 last=10.0.0.40",
        &[["last", "10.0.0.40", "comes before 10.0.0.50"]],
    ),
    (
        "range",
        "subnet=10.0.0.0/24 first=10.0.0.1 last=10.0.0.9 dynamic=true",
        &[[
            "first",
            "10.0.0.1-10.0.0.9",
            "contains the gateway 10.0.0.1, which nobody else may have",
        ]],
    ),
    (
        "reservation",
        "subnet=10.0.0.0/24 address=10.0.0.1",
        &[
            ["address", "10.0.0.1", "is the gateway's own"],
            ["mac", "", "must be given, or client_id: a reservation is for one client"],
        ],
    ),
    (
        "reservation",
        "subnet=10.0.0.0/24 address=10.0.0.150 mac=02:00:00:00:00:01 client_id=01",
        &[
            [
                "client_id",
                "01",
                "must be empty where mac is given: a reservation is for one client",
            ],
            ["address", "10.0.0.150", "is reserved already"],
        ],
    ),
    (
        "reservation",
        "subnet=10.0.0.0/24 address=10.0.0.7 mac=02-00-00-00-00-01",
        &[["mac", "02:00:00:00:00:01", "has 10.0.0.150 reserved in the same subnet"]],
    ),
    (
        "vlan",
        "fabric=dc1 vid=11 proxy_dhcp=true primary_rack=rack9",
        &[["primary_rack", "rack9", "is no rack; see: hostler rack list"]],
    ),
    (
        "subnet",
        "vrf=default vlan=dc1/10 cidr=10.0.1.0/24 disabled_boot_architectures=bios,uefi-x64,bios",
        &[["disabled_boot_architectures", "bios", "is listed twice"]],
    ),
    (
        "boot-profile",
        "name=P target=disk kernel={x} loaders=x86=k",
        &[
            ["name", "P", "must be 1 to 63 lower-case letters, digits and inner hyphens"],
            ["target", "disk", "must be local-disk, script or kernel"],
            [
                "kernel",
                "{x}",
                "has a field {x}; fields are name, mac, mac-hyphens, uuid, serial, arch, address, server, url, and {{ is the brace itself",
            ],
            [
                "loaders",
                "x86=k",
                "has an architecture that must be one of bios, uefi-ia32, uefi-x64, uefi-arm32, uefi-arm64, uefi-riscv64, uefi-loongarch64, ppc64-open-firmware, ppc64-opal, s390x",
            ],
        ],
    ),
    (
        "boot-profile",
        "name=p target=kernel script=#!ipxe kernel=gone/{arch}/k initrds=d/i,gone loaders=bios=gone,bios=d/i",
        &[
            ["script", "#!ipxe", "must be empty unless the target is script"],
            [
                "kernel",
                "gone/{arch}/k",
                "is no boot file for any architecture; see: hostler boot-file list",
            ],
            ["initrds", "gone", "is no boot file; see: hostler boot-file list"],
            [
                "loaders",
                "bios=gone",
                "names gone, which is no boot file; see: hostler boot-file list",
            ],
            ["loaders", "bios=d/i", "is a second loader of bios"],
        ],
    ),
    (
        "boot-default",
        "boot_profile=none",
        &[["boot_profile", "none", "is no boot-profile; see: hostler boot-profile list"]],
    ),
    (
        "machine",
        "name=n1 architecture=uefi-arm64 boot_profile=debian",
        &[
            ["boot_profile", "debian", "does not boot uefi-arm64: d/uefi-arm64/k is no boot file"],
            ["name", "", "there is already a machine n1"],
        ],
    ),
    (
        "interface",
        "machine=n1 name=eth0 mac=52:54:00:00:00:01",
        &[
            ["mac", "52:54:00:00:00:01", "is n1/eth0's already"],
            ["name", "", "there is already an interface n1/eth0"],
        ],
    ),
    (
        "interface",
        "machine=n9 name=eth0 mac=01:00:5e:00:00:01",
        &[
            ["machine", "n9", "is no machine; see: hostler machine list"],
            ["mac", "01:00:5e:00:00:01", "is a group address; a machine has an individual one"],
        ],
    ),
    (
        "token",
        "name=ci role=root expires_in=5",
        &[
            ["role", "root", "must be viewer, operator or admin"],
            [
                "expires_in",
                "5",
                "must be a number and one of s, m, h, d, such as 24h; at most 3650d",
            ],
        ],
    ),
];

/// Of `noun id`: what is changed, and why it cannot be.
const ON_UPDATE: &[(&str, Refusal)] = &[
    (
        "10.0.0.0/24",
        (
            "subnet",
            "cidr=10.0.0.0/25",
            &[
                ["cidr", "10.0.0.0/25", "leaves no room for the range 10.0.0.100-10.0.0.200"],
                ["cidr", "10.0.0.0/25", "leaves no room for the reservation of 10.0.0.150"],
            ],
        ),
    ),
    (
        "10.0.0.0/24",
        (
            "subnet",
            "gateway=10.0.0.150",
            &[
                [
                    "gateway",
                    "10.0.0.150",
                    "is in the dynamic range 10.0.0.100-10.0.0.200, whose addresses are given to others",
                ],
                ["gateway", "10.0.0.150", "is reserved for a client"],
            ],
        ),
    ),
    (
        "10.0.0.0/24@blue",
        (
            "subnet",
            "vlan=dc1/10",
            &[["cidr", "10.0.0.0/24", "overlaps 10.0.0.0/24 on the same VLAN"]],
        ),
    ),
    (
        "dc1/10",
        (
            "vlan",
            "mtu=1280",
            &[["mtu", "1280", "is less than 1400, which clients of 10.0.0.0/24 are told"]],
        ),
    ),
    ("n1", ("machine", "serial=x", &[["serial", "x", "is set by region"]])),
    (
        "n1/eth0",
        ("interface", "machine=n2", &[["machine", "n2", "cannot be changed after creation"]]),
    ),
    ("rack1", ("rack", "connected=true", &[["connected", "yes", "is set by region"]])),
    (
        "10.0.0.100-10.0.0.200",
        (
            "range",
            "subnet=10.0.0.0/24@blue",
            &[["subnet", "10.0.0.0/24@blue", "cannot be changed after creation"]],
        ),
    ),
];

async fn crowded(world: &World) {
    network(world).await;
    world
        .region
        .write(&admin(), |tx| {
            let rack = Rack::new("rack1".parse().unwrap());
            operations::adopt(tx, rack, "rack.joined", "").map(drop)
        })
        .await
        .unwrap();
    world.update("subnet", "10.0.0.0/24", "mtu=1400", Write::default()).await.unwrap();
    files(world, &["d/uefi-x64/k", "d/i"]).await;
    for (noun, fields) in [
        ("subnet", "vrf=blue vlan=dc2/10 cidr=10.0.0.0/24"),
        ("range", "subnet=10.0.0.0/24 first=10.0.0.100 last=10.0.0.200 dynamic=true"),
        ("reservation", "subnet=10.0.0.0/24 address=10.0.0.150 mac=02:00:00:00:00:01"),
        ("boot-profile", "name=debian target=kernel kernel=d/{arch}/k"),
        ("machine", "name=n1"),
        ("interface", "machine=n1 name=eth0 mac=52:54:00:00:00:01"),
    ] {
        world.create(noun, fields).await.unwrap();
    }
}

fn check(what: &str, outcome: Result<String, OperationError>, reasons: &[[&str; 3]]) {
    let expected: Vec<Objection> =
        reasons.iter().map(|[field, value, rule]| Objection::new(field, value, *rule)).collect();
    match outcome {
        Err(OperationError::Refused(objections)) => assert_eq!(objections, expected, "{what}"),
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_every_field_value_and_rule() {
    on_both(async |world| {
        crowded(world).await;
        for (noun, fields, reasons) in ON_CREATE {
            check(&format!("{noun} {fields}"), world.create(noun, fields).await, reasons);
        }
        for (id, (noun, fields, reasons)) in ON_UPDATE {
            let outcome = world.update(noun, id, fields, Write::default()).await;
            check(&format!("{noun} {id} {fields}"), outcome, reasons);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_stays_and_says_by_whom() {
    on_both(async |world| {
        crowded(world).await;
        world.update("vlan", "dc1/10", "primary_rack=rack1", Write::default()).await.unwrap();
        for (noun, id, users) in [
            ("fabric", "dc1", "vlan dc1/10"),
            ("rack", "rack1", "vlan dc1/10"),
            ("vlan", "dc2/10", "subnet 10.0.0.0/24@blue"),
            ("vrf", "blue", "subnet 10.0.0.0/24@blue"),
            ("subnet", "10.0.0.0/24", "range 10.0.0.100-10.0.0.200, reservation 10.0.0.150"),
        ] {
            match world.delete(noun, id).await {
                Err(OperationError::InUse { users: named, .. }) => assert_eq!(named, users),
                other => panic!("{noun} {id}: {other:?}"),
            }
        }
        for (noun, id) in [
            ("reservation", "10.0.0.150"),
            ("range", "10.0.0.100-10.0.0.200"),
            ("subnet", "10.0.0.0/24"),
        ] {
            world.delete(noun, id).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_not_made_under_a_parent_that_goes() {
    on_both(async |world| {
        network(world).await;
        for round in 0..10 {
            let cidr = format!("10.1.{round}.0/24");
            world.create("subnet", &format!("vrf=default vlan=dc1/10 cidr={cidr}")).await.unwrap();
            let fields = format!("subnet={cidr} first=10.1.{round}.5 last=10.1.{round}.9");
            let (made, gone) =
                tokio::join!(world.create("range", &fields), world.delete("subnet", &cidr));
            match (made, gone) {
                (Ok(_), Err(OperationError::InUse { .. })) => {}
                (Err(OperationError::Refused(objections)), Ok(())) => {
                    assert_eq!(objections[0].field, "subnet");
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}
