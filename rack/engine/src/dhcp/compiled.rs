//! The configuration of a VLAN, made ready for packets.

use std::{collections::BTreeSet, mem, net::Ipv4Addr};

use common::{
    Lifetime, Objection, VlanId,
    dhcp_options::{self, OptionSet, OptionValue},
    rack_config::{ClientMatch, DhcpSubnet, DhcpVlan, Reservation, boot::Architecture},
};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::options::{EncodedOptions, Unfit};
use crate::{
    boot::loader::Own,
    lease::{Client, Pool},
    output::Link,
};

/// All that does not depend on a packet is worked out, so that the engine only looks up and copies.
pub struct CompiledVlan {
    pub(crate) vlan: VlanId,
    pub(crate) subnets: Vec<Subnet>,
    /// One for each subnet; moved into the lease table when this is applied.
    pub(crate) pools: Vec<Pool>,
    links: Vec<ServedLink>,
    /// Addresses come from elsewhere.
    pub(crate) proxy: bool,
    /// Subnet and number of the reservation of an address.
    reserved: HashMap<Ipv4Addr, (usize, usize), FixedState>,
}

pub(crate) struct Subnet {
    network: u32,
    mask: u32,
    pub(crate) lease: Lifetime,
    pub(crate) options: EncodedOptions,
    pub(crate) boot: Boot,
    pub(crate) disabled_boot: BTreeSet<Architecture>,
    reservations: Vec<Reserved>,
    by_mac: HashMap<[u8; 6], usize, FixedState>,
    by_identifier: HashMap<Box<[u8]>, usize, FixedState>,
}

pub(crate) struct Reserved {
    pub(crate) address: Ipv4Addr,
    client: ClientMatch,
    /// Its own, the host name among them; absent if it has none.
    pub(crate) options: Option<Box<EncodedOptions>>,
    pub(crate) boot: Boot,
}

/// A reservation's options before its subnet's.
#[derive(Clone, Copy)]
pub(crate) struct EncodedPair<'a> {
    own: Option<&'a EncodedOptions>,
    subnet: &'a EncodedOptions,
}

impl<'a> EncodedPair<'a> {
    pub(crate) fn get(self, code: u8) -> &'a [u8] {
        let own = self.own.map(|options| options.get(code)).filter(|option| !option.is_empty());
        own.unwrap_or_else(|| self.subnet.get(code))
    }
}

/// Where the next stage comes from (RFC 2131 section 2).
#[derive(Clone, Default)]
pub(crate) struct Boot {
    pub(crate) next_server: Option<Ipv4Addr>,
    pub(crate) file: String,
}

struct ServedLink {
    link: Link,
    addresses: Vec<Ipv4Addr>,
    /// The subnet of its clients that say nothing of where they are.
    subnet: usize,
}

impl CompiledVlan {
    /// `links`: the interfaces that are in this VLAN, with their addresses; none for a VLAN that is reached by relays only.
    pub fn compile(
        config: &DhcpVlan,
        links: &[(Link, Vec<Ipv4Addr>)],
    ) -> Result<Self, Vec<Objection>> {
        let (mut subnets, mut objections) = (Vec::new(), Vec::new());
        for (at, subnet) in config.subnets().iter().enumerate() {
            subnets.push(Subnet::compile(subnet, &format!("subnets[{at}]"), &mut objections));
        }
        if !objections.is_empty() {
            return Err(objections);
        }
        let numbered = |at: usize, subnet: &Subnet| {
            let addresses = subnet.reservations.iter().enumerate();
            addresses.map(|(number, own)| (own.address, (at, number))).collect::<Vec<_>>()
        };
        let reserved = subnets.iter().enumerate().flat_map(|(at, own)| numbered(at, own)).collect();
        let links = links.iter().map(|(link, addresses)| {
            let own = |subnet: &Subnet| addresses.iter().any(|address| subnet.contains(*address));
            let subnet = subnets.iter().position(own).unwrap_or(0);
            ServedLink { link: *link, addresses: addresses.clone(), subnet }
        });
        Ok(Self {
            vlan: config.vlan,
            links: links.collect(),
            proxy: config.proxy,
            pools: config.subnets().iter().map(|subnet| Pool::new(&subnet.dynamic)).collect(),
            subnets,
            reserved,
        })
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = Link> {
        self.links.iter().map(|served| served.link)
    }

    /// The subnet of a link's own addresses.
    pub(crate) fn subnet_on(&self, link: Link) -> Option<usize> {
        let served = self.links.iter().find(|served| served.link == link)?;
        (served.subnet < self.subnets.len()).then_some(served.subnet)
    }

    pub(crate) fn subnet_of(&self, address: Ipv4Addr) -> Option<usize> {
        self.subnets.iter().position(|subnet| subnet.contains(address))
    }

    /// This subnet, then the others of the VLAN in their order.
    pub(crate) fn subnets_from(&self, first: usize) -> impl Iterator<Item = usize> {
        let others = (0..self.subnets.len()).filter(move |other| *other != first);
        std::iter::once(first).chain(others)
    }

    pub(crate) fn reservation_at(&self, address: Ipv4Addr) -> Option<&Reserved> {
        let (subnet, number) = self.reserved.get(&address)?;
        self.subnets[*subnet].reservations.get(*number)
    }

    /// By identifier if the client has one that is reserved for, else by hardware address.
    pub(crate) fn reservation_for(&self, subnet: usize, client: &Client<'_>) -> Option<&Reserved> {
        let subnet = &self.subnets[subnet];
        let by_identifier = subnet.by_identifier.get(client.identifier);
        let number = by_identifier.or_else(|| subnet.by_mac.get(&client.mac()?))?;
        subnet.reservations.get(*number)
    }

    /// What a client of this subnet, or of this address of it, is told.
    pub(crate) fn told(
        &self,
        subnet: usize,
        address: Option<Ipv4Addr>,
    ) -> (EncodedPair<'_>, &Boot) {
        let subnet = &self.subnets[subnet];
        let reserved = address.and_then(|address| self.reservation_at(address));
        let own = reserved.and_then(|reserved| reserved.options.as_deref());
        let boot = reserved.map_or(&subnet.boot, |reserved| &reserved.boot);
        (EncodedPair { own, subnet: &subnet.options }, boot)
    }

    /// This rack's address on a link, one of the given subnet if it has one.
    pub(crate) fn address_on(&self, link: Link, subnet: usize) -> Option<Ipv4Addr> {
        let served = self.links.iter().find(|served| served.link == link)?;
        let own = |address: &&Ipv4Addr| self.subnets[subnet].contains(**address);
        served.addresses.iter().find(own).or(served.addresses.first()).copied()
    }

    pub(crate) fn has_address(&self, address: Ipv4Addr) -> bool {
        self.links.iter().any(|served| served.addresses.contains(&address))
    }

    pub(crate) fn take_pools(&mut self) -> Vec<Pool> {
        mem::take(&mut self.pools)
    }
}

impl Subnet {
    fn compile(config: &DhcpSubnet, path: &str, objections: &mut Vec<Objection>) -> Self {
        let boot = Boot { next_server: config.next_server, file: config.boot_file.clone() };
        let mut options = boot.as_options();
        options.extend(config.options.clone());
        let prefix = config.prefix;
        options.insert(SUBNET_MASK, OptionValue::Address(prefix.netmask()));
        options.insert(BROADCAST_ADDRESS, OptionValue::Address(prefix.broadcast()));
        let mut subnet = Self {
            network: prefix.network().to_bits(),
            mask: prefix.netmask().to_bits(),
            lease: config.lease,
            options: encode(&options, path, objections),
            boot,
            disabled_boot: config.disabled_boot.clone(),
            reservations: Vec::new(),
            by_mac: HashMap::default(),
            by_identifier: HashMap::default(),
        };
        for (at, reservation) in config.reservations.iter().enumerate() {
            let path = format!("{path}.reservations[{at}]");
            subnet.reserve(Reserved::compile(reservation, &subnet.boot, &path, objections));
        }
        subnet
    }

    fn reserve(&mut self, reserved: Reserved) {
        let number = self.reservations.len();
        match &reserved.client {
            ClientMatch::Mac(mac) => self.by_mac.insert(mac.octets(), number),
            ClientMatch::Identifier(identifier) => {
                self.by_identifier.insert(identifier.as_slice().into(), number)
            }
        };
        self.reservations.push(reserved);
    }

    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.network
    }

    pub(crate) fn first(&self) -> u32 {
        self.network
    }
}

impl Reserved {
    fn compile(
        config: &Reservation,
        subnet: &Boot,
        path: &str,
        objections: &mut Vec<Objection>,
    ) -> Self {
        let own = Boot { next_server: config.next_server, file: config.boot_file.clone() };
        let mut options = own.as_options();
        options.extend(config.options.clone());
        if let Some(name) = &config.host_name {
            options.insert(HOST_NAME, OptionValue::Text(name.to_string()));
        }
        let encoded = (!options.is_empty()).then(|| Box::new(encode(&options, path, objections)));
        Self {
            address: config.address,
            client: config.client.clone(),
            options: encoded,
            boot: own.or(subnet),
        }
    }

    pub(crate) fn is_for(&self, client: &Client<'_>) -> bool {
        match &self.client {
            ClientMatch::Mac(mac) => client.mac() == Some(mac.octets()),
            ClientMatch::Identifier(identifier) => client.identifier == identifier,
        }
    }
}

impl Boot {
    /// For clients that read options 66 and 67 instead of `siaddr` and `file`.
    fn as_options(&self) -> OptionSet {
        let server = self.next_server.map(|server| (TFTP_SERVER_NAME, server.to_string()));
        let file = (!self.file.is_empty()).then(|| (BOOT_FILE_NAME, self.file.clone()));
        server.into_iter().chain(file).map(|(code, text)| (code, OptionValue::Text(text))).collect()
    }

    pub(crate) fn own(&self) -> Own<'_> {
        Own { next_server: self.next_server, file: &self.file }
    }

    fn or(self, other: &Self) -> Self {
        let file = if self.file.is_empty() { other.file.clone() } else { self.file };
        Self { next_server: self.next_server.or(other.next_server), file }
    }
}

const SUBNET_MASK: u8 = 1;
const HOST_NAME: u8 = 12;
const BROADCAST_ADDRESS: u8 = 28;
const TFTP_SERVER_NAME: u8 = 66;
const BOOT_FILE_NAME: u8 = 67;

fn encode(options: &OptionSet, path: &str, objections: &mut Vec<Objection>) -> EncodedOptions {
    EncodedOptions::encode(options).unwrap_or_else(|unfit| {
        for Unfit { code, rule } in unfit {
            let name = dhcp_options::by_code(code).map_or(code.to_string(), |row| row.name.into());
            let value = options.get(&code).map(ToString::to_string).unwrap_or_default();
            objections.push(Objection::new(&format!("{path}.options.{name}"), value, rule));
        }
        EncodedOptions::default()
    })
}
