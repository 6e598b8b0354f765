//! What the targets throw bytes at: a subnet with a little of everything, a VLAN beside another server, and machines that boot.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::LazyLock};

use common::{
    IpRange, Lifetime, MacAddr, MachineId, Name, SubnetId, VlanId,
    dhcp_options::OptionValue,
    rack_config::{
        BootConfig, BootParts, ClientMatch, DhcpSubnet, DhcpVlan, Reservation, Role,
        boot::{Architecture, BootFile, BootMachine, BootProfile, BootTarget, Field, Loaders},
    },
};
use engine::{boot::CompiledBoot, dhcp::CompiledVlan, output::Link};
use uuid::Uuid;

pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// On link 0.
#[must_use]
pub fn vlan() -> CompiledVlan {
    let range = IpRange::new([10, 0, 0, 10].into(), [10, 0, 0, 14].into()).expect("a range");
    let reservation = Reservation {
        address: Ipv4Addr::new(10, 0, 0, 50),
        client: ClientMatch::Mac(MacAddr::new([2, 0, 0, 0, 0, 1])),
        host_name: None,
        options: Default::default(),
        next_server: None,
        boot_file: "own".into(),
    };
    let subnet = DhcpSubnet {
        id: SubnetId::new(Uuid::nil()),
        prefix: "10.0.0.0/24".parse().expect("a prefix"),
        dynamic: [range].into_iter().collect(),
        reservations: vec![reservation],
        lease: Lifetime::DEFAULT,
        options: [(3, OptionValue::Addresses(vec![SERVER; 60]))].into_iter().collect(),
        next_server: Some(SERVER),
        boot_file: "file".into(),
        disabled_boot: BTreeSet::new(),
    };
    let id = VlanId::new(Uuid::nil());
    let vlan = DhcpVlan::new(id, "fuzz".into(), Role::Primary, vec![subnet]).expect("valid");
    CompiledVlan::compile(&vlan, &[(Link(0), vec![SERVER])])
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

/// On link 1, where another server gives the addresses.
#[must_use]
pub fn beside() -> CompiledVlan {
    let subnet = DhcpSubnet {
        id: SubnetId::new(Uuid::nil()),
        prefix: "10.2.0.0/24".parse().expect("a prefix"),
        dynamic: [].into_iter().collect(),
        reservations: Vec::new(),
        lease: Lifetime::DEFAULT,
        options: Default::default(),
        next_server: None,
        boot_file: String::new(),
        disabled_boot: BTreeSet::from([Architecture::UefiArm64]),
    };
    let id = VlanId::new(Uuid::max());
    let mut vlan = DhcpVlan::new(id, "beside".into(), Role::Primary, vec![subnet]).expect("valid");
    vlan.proxy = true;
    CompiledVlan::compile(&vlan, &[(Link(1), vec![Ipv4Addr::new(10, 2, 0, 2)])])
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

#[must_use]
pub fn compiled_boot() -> CompiledBoot {
    CompiledBoot::compile(&BOOT, 7280)
}

/// One machine for each kind of profile, by its MAC address's last byte, and a default.
pub static BOOT: LazyLock<BootConfig> = LazyLock::new(boot);

fn boot() -> BootConfig {
    let names = ["undionly.kpxe", "snponly.efi", "linux", "initrd"];
    let file = |name: &str| {
        let file = BootFile { digest: Default::default(), size: 1 };
        (name.parse().expect("a path"), file)
    };
    let loaders: Loaders = [(Architecture::Bios, names[0]), (Architecture::UefiX64, names[1])]
        .map(|(architecture, name)| (architecture, name.parse().expect("a path")))
        .into();
    let template = |text: &str| text.parse().expect("a template");
    let targets = [
        ("local", BootTarget::LocalDisk),
        ("script", BootTarget::Script(template(&every_field("echo ")))),
        (
            "kernel",
            BootTarget::Kernel {
                kernel: template("linux"),
                initrds: vec![template("initrd")],
                command_line: template(&every_field("who=")),
            },
        ),
    ];
    let machines = targets.iter().zip(1..).map(|((name, _), last)| BootMachine {
        id: MachineId::new(Uuid::from_u128(u128::from(last))),
        name: self::name(name),
        macs: vec![MacAddr::new([2, 0, 0, 0, 0, last])],
        uuid: Some(Uuid::from_u128(u128::from(last))),
        profile: Some(self::name(name)),
    });
    let machines = machines.collect();
    let profile = |target| BootProfile { target, loaders: Loaders::new() };
    let profiles = targets.map(|(name, target)| (self::name(name), profile(target))).into();
    let files = names.map(file).into();
    BootConfig::new(BootParts { files, loaders, profiles, default_profile: None, machines })
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

fn every_field(head: &str) -> String {
    Field::ALL.iter().fold(head.to_owned(), |text, field| format!("{text} {{{}}}", field.name()))
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}
