//! What crosses the link beside configuration: state, facts and requests.

use common::{
    Epoch, Generation, Objection, Timestamp,
    generation::Digest,
    report::{
        Client, FactClass, Interface, LeaseChanged, LeaseState, RackCounts, ScopeStatus,
        ServiceState, ServiceStatus, Verdict, Waiting,
    },
    request::{Answer, Request},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::path::{Reading, Refused};
use crate::v1;

impl From<Generation> for v1::Generation {
    fn from(own: Generation) -> Self {
        Self { epoch: own.epoch.0, number: own.number }
    }
}

impl From<v1::Generation> for Generation {
    fn from(wire: v1::Generation) -> Self {
        Self { epoch: Epoch(wire.epoch), number: wire.number }
    }
}

pub fn digest_from_wire(wire: &[u8]) -> Result<Digest, Refused> {
    wire.try_into().map_err(|_| {
        Refused::one("digest", format!("{} bytes", wire.len()), "must be 32 bytes (SHA-256)")
    })
}

impl From<FactClass> for v1::FactClass {
    fn from(own: FactClass) -> Self {
        match own {
            FactClass::Lease => Self::Lease,
            FactClass::Boot => Self::Boot,
        }
    }
}

/// None: a class that this version does not know.
pub fn class_from_wire(wire: v1::FactClass) -> Option<FactClass> {
    match wire {
        v1::FactClass::Lease => Some(FactClass::Lease),
        v1::FactClass::Boot => Some(FactClass::Boot),
        v1::FactClass::Unspecified => None,
    }
}

impl From<&Verdict> for v1::Verdict {
    fn from(own: &Verdict) -> Self {
        let kind = |kind: v1::VerdictKind| Self { kind: kind.into(), ..Self::default() };
        match own {
            Verdict::Applied => kind(v1::VerdictKind::Applied),
            Verdict::Standby => kind(v1::VerdictKind::Standby),
            Verdict::Refused { objections, reason } => Self {
                kind: v1::VerdictKind::Refused.into(),
                reason: reason.clone(),
                objections: objections.iter().map(Into::into).collect(),
            },
        }
    }
}

impl From<&Objection> for v1::FieldObjection {
    fn from(own: &Objection) -> Self {
        Self { field: own.field.clone(), value: own.value.clone(), rule: own.rule.clone() }
    }
}

impl TryFrom<v1::Verdict> for Verdict {
    type Error = Refused;

    fn try_from(wire: v1::Verdict) -> Result<Self, Refused> {
        match wire.kind() {
            v1::VerdictKind::Applied => Ok(Self::Applied),
            v1::VerdictKind::Standby => Ok(Self::Standby),
            v1::VerdictKind::Refused => {
                let objections = wire.objections.into_iter().map(|one| Objection {
                    field: one.field,
                    value: one.value,
                    rule: one.rule,
                });
                Ok(Self::Refused { objections: objections.collect(), reason: wire.reason })
            }
            v1::VerdictKind::Unspecified => Err(Refused::one(
                "verdict.kind",
                wire.kind,
                "is no verdict that this version knows",
            )),
        }
    }
}

impl From<&ScopeStatus> for v1::ScopeStatus {
    fn from(own: &ScopeStatus) -> Self {
        Self {
            scope: own.scope.clone(),
            offered: Some(own.offered.into()),
            digest: own.offered_digest.to_vec(),
            verdict: Some((&own.verdict).into()),
            good: own.good.map(Into::into),
        }
    }
}

impl TryFrom<v1::ScopeStatus> for ScopeStatus {
    type Error = Refused;

    fn try_from(wire: v1::ScopeStatus) -> Result<Self, Refused> {
        Ok(Self {
            scope: wire.scope,
            offered: wire.offered.unwrap_or_default().into(),
            offered_digest: digest_from_wire(&wire.digest)?,
            verdict: wire.verdict.unwrap_or_default().try_into()?,
            good: wire.good.map(Into::into),
        })
    }
}

impl From<&ServiceStatus> for v1::ServiceStatus {
    fn from(own: &ServiceStatus) -> Self {
        let state = match own.state {
            ServiceState::Running => v1::ServiceState::Running,
            ServiceState::Idle => v1::ServiceState::Idle,
            ServiceState::Degraded => v1::ServiceState::Degraded,
            ServiceState::Failed => v1::ServiceState::Failed,
        };
        Self { name: own.name.clone(), state: state.into(), detail: own.detail.clone() }
    }
}

impl TryFrom<v1::ServiceStatus> for ServiceStatus {
    type Error = Refused;

    fn try_from(wire: v1::ServiceStatus) -> Result<Self, Refused> {
        let state = match wire.state() {
            v1::ServiceState::Running => ServiceState::Running,
            v1::ServiceState::Idle => ServiceState::Idle,
            v1::ServiceState::Degraded => ServiceState::Degraded,
            v1::ServiceState::Failed => ServiceState::Failed,
            v1::ServiceState::Unspecified => {
                return Err(Refused::one(
                    "state",
                    wire.state,
                    "is no state that this version knows",
                ));
            }
        };
        Ok(Self { name: wire.name, state, detail: wire.detail })
    }
}

impl From<&Interface> for v1::RackInterface {
    fn from(own: &Interface) -> Self {
        Self {
            name: own.name.clone(),
            mac: own.mac.map(|mac| mac.to_string()).unwrap_or_default(),
            up: own.up,
            addresses: own.addresses.iter().map(|(ip, length)| format!("{ip}/{length}")).collect(),
            vlan: own.vlan.map(|vlan| vlan.to_string()).unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::RackInterface> for Interface {
    type Error = Refused;

    fn try_from(wire: v1::RackInterface) -> Result<Self, Refused> {
        let mut reading = Reading::new("");
        // An interface may have a group address or none that is Ethernet's; it is then shown without.
        let mac = wire.mac.parse().ok();
        let vlan = reading.optional("vlan", &wire.vlan, "must be a UUID");
        let mut addresses = Vec::new();
        for text in &wire.addresses {
            let rule = "must be an address with its prefix length";
            let net = reading.parse::<ipnet::IpNet>("addresses", text, rule);
            addresses.extend(net.map(|net| (net.addr(), net.prefix_len())));
        }
        if reading.objections.is_empty() {
            Ok(Self { name: wire.name, mac, up: wire.up, addresses, vlan })
        } else {
            Err(Refused(reading.objections))
        }
    }
}

impl From<&RackCounts> for v1::RackCounts {
    fn from(own: &RackCounts) -> Self {
        let waiting = own.waiting.iter().map(|(class, waiting)| v1::WaitingFacts {
            class: v1::FactClass::from(*class).into(),
            count: waiting.facts,
            oldest_seconds: waiting.oldest.as_secs(),
        });
        Self { offers: own.offers, waiting: waiting.collect() }
    }
}

/// What a later version counts beside is left out.
impl From<v1::RackCounts> for RackCounts {
    fn from(wire: v1::RackCounts) -> Self {
        let waiting = wire.waiting.iter().filter_map(|own| {
            let oldest = Duration::from_secs(own.oldest_seconds);
            Some((class_from_wire(own.class())?, Waiting { facts: own.count, oldest }))
        });
        Self { offers: wire.offers, waiting: waiting.collect() }
    }
}

impl From<&LeaseChanged> for v1::LeaseFact {
    fn from(own: &LeaseChanged) -> Self {
        let state = match own.state {
            LeaseState::Bound => v1::LeaseState::Bound,
            LeaseState::Released => v1::LeaseState::Released,
            LeaseState::Declined => v1::LeaseState::Declined,
            LeaseState::Expired => v1::LeaseState::Expired,
        };
        Self {
            number: own.number,
            vlan: own.vlan.to_string(),
            address: match own.address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            },
            state: state.into(),
            client_id: own.client.identifier.clone(),
            hardware_type: own.client.hardware_type.into(),
            hardware: own.client.hardware.clone(),
            host_name: own.host_name.clone(),
            relay_information: own.relay_information.clone(),
            started_at: own.started.micros(),
            ends_at: own.ends.micros(),
        }
    }
}

impl TryFrom<v1::LeaseFact> for LeaseChanged {
    type Error = Refused;

    fn try_from(wire: v1::LeaseFact) -> Result<Self, Refused> {
        let mut reading = Reading::new("");
        let vlan = reading.parse("vlan", &wire.vlan, "must be a UUID");
        let address = address_from_wire(&wire.address);
        if address.is_none() {
            reading.object(
                "address",
                format!("{} bytes", wire.address.len()),
                "must be 4 or 16 bytes",
            );
        }
        let state = state_from_wire(wire.state());
        if state.is_none() {
            reading.object("state", wire.state, "is no state that this version knows");
        }
        let hardware_type = u8::try_from(wire.hardware_type).ok();
        if hardware_type.is_none() || wire.hardware.len() > LONGEST_HARDWARE_ADDRESS {
            let value = format!("type {}, {} bytes", wire.hardware_type, wire.hardware.len());
            reading.object("hardware", value, "must be a type below 256 and at most 16 bytes");
        }
        match (vlan, address, state, hardware_type) {
            (Some(vlan), Some(address), Some(state), Some(hardware_type))
                if reading.objections.is_empty() =>
            {
                let client =
                    Client { identifier: wire.client_id, hardware_type, hardware: wire.hardware };
                Ok(Self {
                    number: wire.number,
                    vlan,
                    address,
                    state,
                    client,
                    host_name: wire.host_name,
                    relay_information: wire.relay_information,
                    started: Timestamp::from_micros(wire.started_at),
                    ends: Timestamp::from_micros(wire.ends_at),
                })
            }
            _ => Err(Refused(reading.objections)),
        }
    }
}

const LONGEST_HARDWARE_ADDRESS: usize = 16;

fn state_from_wire(wire: v1::LeaseState) -> Option<LeaseState> {
    match wire {
        v1::LeaseState::Bound => Some(LeaseState::Bound),
        v1::LeaseState::Released => Some(LeaseState::Released),
        v1::LeaseState::Declined => Some(LeaseState::Declined),
        v1::LeaseState::Expired => Some(LeaseState::Expired),
        v1::LeaseState::Unspecified => None,
    }
}

fn address_from_wire(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into())
}

/// What is asked, as it crosses; id and deadline are the session's.
pub fn request_to_wire(own: &Request) -> v1::request::Request {
    match own {
        Request::ReleaseLease { vlan, address } => {
            v1::request::Request::ReleaseLease(v1::ReleaseLeaseRequest {
                vlan: vlan.to_string(),
                address: address.to_string(),
            })
        }
    }
}

/// What is not understood is answered as refused, never left to time out.
pub fn request_from_wire(wire: Option<v1::request::Request>) -> Result<Request, Refused> {
    match wire {
        Some(v1::request::Request::ReleaseLease(wire)) => {
            let mut reading = Reading::new("");
            let vlan = reading.parse("vlan", &wire.vlan, "must be a UUID");
            let address = reading.parse("address", &wire.address, "must be an IP address");
            match (vlan, address) {
                (Some(vlan), Some(address)) => Ok(Request::ReleaseLease { vlan, address }),
                _ => Err(Refused(reading.objections)),
            }
        }
        None => Err(Refused::one("request", "", "is of no kind that this version knows")),
    }
}

pub fn answer_to_wire(id: u64, own: &Answer) -> v1::Answer {
    let refused = match own {
        Answer::Done => String::new(),
        Answer::Refused(why) if why.is_empty() => "no reason was given".into(),
        Answer::Refused(why) => why.clone(),
    };
    v1::Answer { id, refused }
}

pub fn answer_from_wire(wire: v1::Answer) -> Answer {
    if wire.refused.is_empty() { Answer::Done } else { Answer::Refused(wire.refused) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_and_statuses_survive_the_crossing() {
        let fact = LeaseChanged {
            number: 7,
            vlan: "0190a5f0-0000-7000-8000-000000000001".parse().unwrap(),
            address: [10, 0, 0, 7].into(),
            state: LeaseState::Declined,
            client: Client { identifier: vec![1, 2], hardware_type: 1, hardware: vec![2; 6] },
            host_name: vec![0xff],
            relay_information: vec![1, 1, 5],
            started: Timestamp::from_seconds(5),
            ends: Timestamp::from_seconds(9),
        };
        assert_eq!(LeaseChanged::try_from(v1::LeaseFact::from(&fact)), Ok(fact));
        let status = ScopeStatus {
            scope: "dhcp/x".into(),
            offered: Generation { epoch: Epoch(3), number: 4 },
            offered_digest: [9; 32],
            verdict: Verdict::Refused {
                objections: vec![Objection::new("a", "b", "c")],
                reason: "port 67 is taken".into(),
            },
            good: None,
        };
        assert_eq!(ScopeStatus::try_from(v1::ScopeStatus::from(&status)), Ok(status));
    }

    #[test]
    fn counts_survive_the_crossing_but_for_what_only_a_later_version_knows() {
        let waiting = Waiting { facts: 12, oldest: Duration::from_secs(3) };
        for waiting in [vec![], vec![(FactClass::Lease, waiting), (FactClass::Boot, waiting)]] {
            let counts = RackCounts { offers: 7, waiting: waiting.into_iter().collect() };
            let mut wire = v1::RackCounts::from(&counts);
            assert_eq!(RackCounts::from(wire.clone()), counts);
            wire.waiting.push(v1::WaitingFacts { class: 99, count: 1, oldest_seconds: 1 });
            assert_eq!(RackCounts::from(wire), counts);
        }
    }

    #[test]
    fn strangers_bytes_are_refused_field_by_field() {
        let wire = v1::LeaseFact { address: vec![1], hardware: vec![0; 17], ..Default::default() };
        let refused = LeaseChanged::try_from(wire).unwrap_err();
        let fields: Vec<_> = refused.0.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["vlan", "address", "state", "hardware"]);
    }
}
