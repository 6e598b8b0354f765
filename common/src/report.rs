//! What a rack tells region: facts, which are recorded once each, and its own state, of which only the latest counts.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};
use uuid::Uuid;

use crate::{Generation, MacAddr, MachineId, Objection, Timestamp, VlanId, generation::Digest};

/// A kind of fact; each is numbered by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FactClass {
    /// Numbered by the revision of the rack's lease log.
    Lease,
    /// Boot attempts, numbered by the rack's log of them.
    Boot,
}

impl FactClass {
    pub const ALL: [Self; 2] = [Self::Lease, Self::Boot];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseState {
    Bound,
    Released,
    Declined,
    Expired,
}

/// A client as DHCPv4 knows it: its identifier (option 61), else hardware type and address (RFC 2131 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Empty when it sent none.
    pub identifier: Vec<u8>,
    pub hardware_type: u8,
    /// At most 16 bytes.
    pub hardware: Vec<u8>,
}

impl Client {
    /// Its hardware address, when that is an Ethernet one.
    pub fn mac(&self) -> Option<MacAddr> {
        let octets: [u8; 6] = self.hardware.as_slice().try_into().ok()?;
        (self.hardware_type == 1).then_some(MacAddr::new(octets))
    }
}

/// One lease as it was after one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseChanged {
    /// Its revision in the lease log of the rack; the fact's number.
    pub number: u64,
    pub vlan: VlanId,
    pub address: IpAddr,
    pub state: LeaseState,
    pub client: Client,
    /// Option 12 as sent: bytes of a stranger.
    pub host_name: Vec<u8>,
    /// Option 82 as received: bytes of a stranger.
    pub relay_information: Vec<u8>,
    pub started: Timestamp,
    pub ends: Timestamp,
}

/// What became of a scope that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Applied,
    /// Checked and not served: another rack is the VLAN's primary.
    Standby,
    /// The last good generation goes on. Objections say which value broke which rule; the reason is the machine's own (interface gone, port taken).
    Refused {
        objections: Vec<Objection>,
        reason: String,
    },
}

/// A scope as a rack has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeStatus {
    pub scope: String,
    /// The newest that was offered, and what became of it.
    pub offered: Generation,
    pub offered_digest: Digest,
    pub verdict: Verdict,
    /// What is being served, if anything.
    pub good: Option<Generation>,
}

/// A service of the rack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    pub name: String,
    pub state: ServiceState,
    /// For people: what it serves, or since when and why not.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    Running,
    Idle,
    Degraded,
    Failed,
}

/// A network interface of the rack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub mac: Option<MacAddr>,
    pub up: bool,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The VLAN that it serves, once known.
    pub vlan: Option<VlanId>,
}

/// Figures of a rack's process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RackCounts {
    /// DHCPOFFERs of an address since the process started.
    pub offers: u64,
    /// Of a class that is not here nothing is known.
    pub waiting: BTreeMap<FactClass, Waiting>,
}

/// Facts that region has not recorded yet, as far as their rack has heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// At most so many: numbers may have gaps.
    pub facts: u64,
    /// For how long the oldest has waited, at least.
    pub oldest: Duration,
}

impl RackCounts {
    /// Of all classes together; None: nothing is known.
    pub fn all_waiting(&self) -> Option<Waiting> {
        self.waiting.values().copied().reduce(|one, other| Waiting {
            facts: one.facts.saturating_add(other.facts),
            oldest: one.oldest.max(other.oldest),
        })
    }
}

/// One boot attempt of one machine, as it is after its newest stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootAttempt {
    /// In the rack's log of boots; the fact's number.
    pub number: u64,
    pub id: Uuid,
    pub vlan: VlanId,
    pub mac: MacAddr,
    /// Known by its MAC address or UUID.
    pub machine: Option<MachineId>,
    /// As option 93 told it; `Architecture::from_code` knows most.
    pub architecture: Option<u16>,
    /// SMBIOS's, of option 97 or as iPXE told it.
    pub uuid: Option<Uuid>,
    /// SMBIOS's, as iPXE told it: printable text of a stranger, at most 128 bytes.
    pub serial: String,
    /// In the order in which they were reached.
    pub stages: Vec<BootStage>,
    pub outcome: BootOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootStage {
    pub step: BootStep,
    pub at: Timestamp,
    /// The file, or what else there is to say.
    pub detail: String,
    /// Sent so far, where something is sent.
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BootStep {
    Discover,
    Offer,
    LoaderRequested,
    LoaderDone,
    Script,
    Kernel,
    Initrd,
    /// The first packet of the system that was booted.
    System,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootOutcome {
    Running,
    /// Its system was heard of, or it was sent to its own disk.
    Finished,
    /// It never came further than its last stage; the likely cause, for people.
    Stalled {
        cause: String,
    },
}
