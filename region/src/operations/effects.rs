//! Whom a change of a resource concerns: counted on live state before it is made.

use common::Id;
use plan::{Fabric, Vlan, pairing::choose_servers_of_any};
use prost_reflect::DynamicMessage;
use proto::describe::{Kind, meta, show};
use std::collections::BTreeMap;

use super::{OperationError, Tx, erased::AnyResource};
use crate::{
    db::{
        condition::Condition,
        stored::{Query, Stored},
    },
    resources,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// What names it, the most first.
    pub named: Vec<Named>,
    /// Racks that serve it before or after the change, and whether each can be told now.
    pub racks: BTreeMap<String, bool>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub noun: &'static str,
    pub plural: &'static str,
    /// What a list of them is asked for.
    pub filter: String,
    pub count: u64,
}

/// `versions` are the resource before and after the change.
pub fn of_change(
    tx: &mut Tx<'_>,
    kind: &'static Kind,
    versions: &[&DynamicMessage],
) -> Result<Effects, OperationError> {
    let Some(before) = versions.first() else { return Ok(Effects::default()) };
    let mut effects = Effects::default();
    for (other, field) in naming(kind) {
        let of = other.kind();
        let mut filter = format!("{field}={}", meta(before, "key"));
        if of.noun == "lease" {
            // The others are history.
            filter += ",state=bound";
        }
        let count = match other.count(tx, &filter) {
            // Not for this actor.
            Err(OperationError::Denied { .. }) => continue,
            count => count?,
        };
        if count > 0 {
            effects.named.push(Named { noun: &of.noun, plural: &of.plural, filter, count });
        }
    }
    effects.named.sort_by_key(|named| std::cmp::Reverse(named.count));
    effects.racks = racks(tx, kind, versions)?;
    Ok(effects)
}

/// Those that serve a resource in any of these versions, and whether each can be told now.
pub fn racks(
    tx: &mut Tx<'_>,
    kind: &Kind,
    versions: &[&DynamicMessage],
) -> Result<BTreeMap<String, bool>, OperationError> {
    let mut racks = BTreeMap::new();
    for version in versions {
        for id in serving(tx, kind, version)? {
            let rack = get(tx, "rack", &id)?;
            racks.insert(meta(&rack, "key"), value(&rack, "connected") == "yes");
        }
    }
    Ok(racks)
}

/// Every kind with a field that names this one.
pub fn naming(
    kind: &'static Kind,
) -> impl Iterator<Item = (&'static dyn AnyResource, &'static str)> {
    resources::TABLE.iter().flat_map(move |other| {
        let references = other.kind().references().filter(|(noun, _)| *noun == kind.noun);
        references.map(|(_, field)| (*other, field))
    })
}

/// By key or id: those of the VLAN that it is, is on, or whose subnet it is in, those of a fabric's VLANs, and for what machines boot all that boot any.
fn serving(
    tx: &mut Tx<'_>,
    kind: &Kind,
    item: &DynamicMessage,
) -> Result<Vec<String>, OperationError> {
    let vlan = match kind.noun.as_str() {
        "vlan" => item.clone(),
        "subnet" => get(tx, "vlan", &value(item, "vlan"))?,
        "range" | "reservation" => {
            let subnet = get(tx, "subnet", &value(item, "subnet"))?;
            get(tx, "vlan", &value(&subnet, "vlan"))?
        }
        "fabric" => {
            let fabric: Id<Fabric> = meta(item, "id").parse().expect("region gave it its id");
            return of_any(tx, vec![Condition::equal("fabric", fabric.uuid().as_bytes().to_vec())]);
        }
        "machine" | "interface" | "boot-profile" | "boot-default" | "boot-file" => {
            return of_any(tx, Vec::new());
        }
        _ => return Ok(Vec::new()),
    };
    let racks = ["primary_rack", "secondary_rack"].map(|field| value(&vlan, field));
    Ok(racks.into_iter().filter(|rack| !rack.is_empty()).collect())
}

/// The racks that serve one of the VLANs that meet these conditions.
fn of_any(tx: &mut Tx<'_>, conditions: Vec<Condition>) -> Result<Vec<String>, OperationError> {
    let vlans = Vlan::load(tx.conn, Query::all(conditions))?;
    let racks = choose_servers_of_any(vlans.iter().map(|saved| &saved.value));
    Ok(racks.iter().map(ToString::to_string).collect())
}

fn get(tx: &mut Tx<'_>, noun: &'static str, id: &str) -> Result<DynamicMessage, OperationError> {
    let resource = resources::by_noun(noun).expect("the table has every kind that is named here");
    resource.get(tx, id)
}

fn value(item: &DynamicMessage, field: &str) -> String {
    item.get_field_by_name(field).map(|value| show(&value)).unwrap_or_default()
}
