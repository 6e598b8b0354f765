//! A VLAN in a line: `VLAN on LINK:ADDRESS,.. / PREFIX key=value .. / PREFIX ..`; `on -` is a VLAN that only relays reach, `VLAN proxy on` one with another
//! server.

use std::{collections::BTreeSet, net::Ipv4Addr};

use common::{
    IpRange, Lifetime, Objection, SubnetId,
    dhcp_options::{self, OptionSet, OptionValue},
    rack_config::{
        BootConfig, BootParts, ClientMatch, DhcpSubnet, DhcpVlan, Reservation, Role,
        boot::{Architecture, BootFile, Loaders},
    },
};
use engine::{boot::CompiledBoot, dhcp::CompiledVlan, output::Link};

pub fn compile(text: &str) -> Result<CompiledVlan, Vec<Objection>> {
    let mut parts = text.split(" / ");
    let (number, links) = parts.next().unwrap().split_once(" on ").unwrap();
    let (number, proxy) = number.split_once(' ').unwrap_or((number, ""));
    let subnets = parts.map(subnet).collect();
    let vlan = super::vlan(number.trim().parse().unwrap());
    let mut config = DhcpVlan::new(vlan, number.into(), Role::Primary, subnets)?;
    config.proxy = proxy == "proxy";
    CompiledVlan::compile(&config, &self::links(links))
}

/// Loaders by architecture: `bios=undionly.kpxe uefi-x64=snponly.efi`.
pub fn boot(text: &str) -> CompiledBoot {
    let loader = |word: &str| {
        let (architecture, path) = word.split_once('=').unwrap();
        (architecture.parse().unwrap(), path.parse().unwrap())
    };
    let loaders: Loaders = text.split_whitespace().map(loader).collect();
    let file = || BootFile { digest: Default::default(), size: 1 };
    let files = loaders.values().map(|path| (path.clone(), file())).collect();
    let config = BootConfig::new(BootParts { files, loaders, ..BootParts::default() });
    CompiledBoot::compile(&config.unwrap(), 7280)
}

fn links(text: &str) -> Vec<(Link, Vec<Ipv4Addr>)> {
    let link = |text: &str| {
        let (link, address) = text.trim().split_once(':').unwrap();
        (Link(link.parse().unwrap()), vec![address.parse().unwrap()])
    };
    text.split(',').filter(|text| text.trim() != "-").map(link).collect()
}

/// `range=A-B`, `lease=SECONDS`, `reserve=ADDRESS@CLIENT[,name=..,file=..]`, `next=`, `file=`, else an option of the catalogue; `_` is a space.
pub fn subnet(text: &str) -> DhcpSubnet {
    let mut words = text.split_whitespace();
    let mut subnet = DhcpSubnet {
        id: SubnetId::new(uuid::Uuid::nil()),
        prefix: words.next().unwrap().parse().unwrap(),
        dynamic: [].into_iter().collect(),
        reservations: Vec::new(),
        lease: Lifetime::DEFAULT,
        options: OptionSet::new(),
        next_server: None,
        boot_file: String::new(),
        disabled_boot: BTreeSet::new(),
    };
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "range" => subnet.dynamic.insert(range(value)),
            "lease" => subnet.lease = Lifetime::try_from(value.parse::<u32>().unwrap()).unwrap(),
            "next" => subnet.next_server = Some(value.parse().unwrap()),
            "file" => subnet.boot_file = value.into(),
            "disabled" => subnet.disabled_boot.extend([value.parse::<Architecture>().unwrap()]),
            "reserve" => subnet.reservations.push(reservation(value)),
            name => option(&mut subnet.options, name, value),
        }
    }
    subnet
}

fn option(options: &mut OptionSet, name: &str, value: &str) {
    let row = dhcp_options::find(name).unwrap();
    let value = OptionValue::parse(row.kind, &value.replace('_', " ")).unwrap();
    options.insert(row.code, value);
}

fn range(text: &str) -> IpRange {
    let (first, last) = text.split_once('-').unwrap();
    IpRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
}

/// The client is a number, for its MAC address, or `mac:MAC`, or `id:HEX`.
fn reservation(text: &str) -> Reservation {
    let mut words = text.split(',');
    let (address, client) = words.next().unwrap().split_once('@').unwrap();
    let client = match client.split_once(':') {
        Some(("id", hex)) => ClientMatch::Identifier(super::packet::hex(hex)),
        Some((_, mac)) => ClientMatch::Mac(mac.parse().unwrap()),
        None => {
            let mac = super::packet::mac(client.parse().unwrap());
            ClientMatch::Mac(common::MacAddr::new(mac))
        }
    };
    let mut reservation = Reservation {
        address: address.parse().unwrap(),
        client,
        host_name: None,
        options: OptionSet::new(),
        next_server: None,
        boot_file: String::new(),
    };
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "name" => reservation.host_name = Some(value.parse().unwrap()),
            "file" => reservation.boot_file = value.into(),
            name => option(&mut reservation.options, name, value),
        }
    }
    reservation
}
