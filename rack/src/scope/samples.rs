//! Scopes to test with.

use common::{
    Epoch, Generation,
    rack_config::{DhcpVlan, Role, ScopeConfig, ScopeName},
};
use proto::{convert::rack_config, v1};
use uuid::Uuid;

use crate::store::scopes::Record;

/// A VLAN of these subnets; its id is made of its name.
pub(crate) fn vlan(name: &str, prefixes: &[&str]) -> DhcpVlan {
    let id = |name: &str| Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string();
    let subnets = prefixes.iter().map(|prefix| v1::DhcpSubnet {
        id: id(prefix),
        prefix: (*prefix).into(),
        ..v1::DhcpSubnet::default()
    });
    let vlan = v1::DhcpVlan {
        id: id(name),
        name: name.into(),
        role: v1::RackRole::Primary.into(),
        subnets: subnets.collect(),
        proxy: false,
    };
    let scope = v1::ScopeConfig { scope: Some(v1::scope_config::Scope::Dhcp(vlan)) };
    match rack_config::scope_from_wire(&scope).unwrap() {
        ScopeConfig::Dhcp(vlan) => vlan,
        other @ ScopeConfig::Boot(_) => panic!("{other:?}"),
    }
}

pub(crate) fn standby(mut vlan: DhcpVlan) -> DhcpVlan {
    vlan.role = Role::Secondary;
    vlan
}

pub(crate) fn at(number: u64) -> Generation {
    Generation { epoch: Epoch(3), number }
}

pub(crate) fn record(vlan: &DhcpVlan, number: u64) -> Record {
    let content = rack_config::encode(&ScopeConfig::Dhcp(vlan.clone()));
    Record {
        scope: ScopeName::Dhcp(vlan.vlan),
        generation: at(number),
        digest: rack_config::digest(&content),
        content,
    }
}
