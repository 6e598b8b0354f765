//! What machines boot, made ready for packets: only which loader, since the rest is asked for by HTTP or TFTP.

use std::net::Ipv4Addr;

use common::rack_config::{
    BootConfig,
    boot::{Architecture, BootMachine, Loaders},
};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use uuid::Uuid;

use super::loader::Place;

/// All that an answer to a machine that boots needs to know.
pub struct CompiledBoot {
    loaders: Loaders,
    /// Those of profiles that have some.
    overrides: Vec<Loaders>,
    by_mac: HashMap<[u8; 6], Machine, FixedState>,
    by_uuid: HashMap<Uuid, Machine, FixedState>,
    /// Of machines that are not known, or have no profile.
    default: Option<usize>,
    http_port: u16,
}

/// A known one's place in `overrides`.
#[derive(Clone, Copy)]
struct Machine(Option<usize>);

impl CompiledBoot {
    /// `http_port`: where the rack serves boot files.
    pub fn compile(config: &BootConfig, http_port: u16) -> Self {
        let (mut overrides, mut places) = (Vec::new(), Vec::new());
        for (name, profile) in config.profiles() {
            if !profile.loaders.is_empty() {
                places.push((name, overrides.len()));
                overrides.push(profile.loaders.clone());
            }
        }
        let place = |machine: Option<&BootMachine>| {
            let own = machine.and_then(|machine| machine.profile.as_ref());
            let name = own.or(config.default_profile())?;
            places.iter().find(|(other, _)| *other == name).map(|(_, at)| *at)
        };
        let (mut by_mac, mut by_uuid) = (HashMap::default(), HashMap::default());
        for machine in config.machines() {
            let found = Machine(place(Some(machine)));
            by_mac.extend(machine.macs.iter().map(|mac| (mac.octets(), found)));
            if let Some(uuid) = machine.uuid {
                by_uuid.entry(uuid).or_insert(found);
            }
        }
        let default = place(None);
        Self { loaders: config.loaders().clone(), overrides, by_mac, by_uuid, default, http_port }
    }

    /// Where this rack serves boot files, for who reaches it at this address.
    pub(crate) fn url(&self, server: Ipv4Addr) -> String {
        format!("http://{server}:{}/boot", self.http_port)
    }

    /// The machine's own, else the rack's.
    pub(crate) fn loader(&self, place: &Place<'_>, architecture: Architecture) -> Option<&str> {
        let by_mac = place.mac.and_then(|mac| self.by_mac.get(&mac));
        let by_uuid = || smbios_uuid(place.machine).and_then(|uuid| self.by_uuid.get(&uuid));
        let own = by_mac.or_else(by_uuid).map_or(self.default, |machine| machine.0);
        let own = own.and_then(|at| self.overrides[at].get(&architecture));
        own.or_else(|| self.loaders.get(&architecture)).map(|path| path.as_str())
    }
}

/// Of option 97: type 0, then the UUID as SMBIOS writes it, its first three parts with their low bytes first.
pub(crate) fn smbios_uuid(machine: &[u8]) -> Option<Uuid> {
    let (0, uuid) = machine.split_first().map(|(kind, rest)| (*kind, rest))? else { return None };
    let uuid = Uuid::from_bytes_le(uuid.try_into().ok()?);
    // What a board without one tells.
    (!uuid.is_nil() && !uuid.is_max()).then_some(uuid)
}
