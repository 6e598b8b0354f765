//! What clients were promised, held against what region knows.

use super::{region::Region, swarm::Lease, until};
use anyhow::ensure;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// No address was given to two clients, whenever that was.
pub fn nobody_shares(acknowledged: &[&[Lease]]) -> anyhow::Result<()> {
    let mut owners = BTreeMap::new();
    for lease in acknowledged.iter().flat_map(|leases| leases.iter()) {
        let owner = owners.entry(lease.address).or_insert(lease.mac);
        ensure!(
            *owner == lease.mac,
            "{} was given to {owner:x?} and {:x?}",
            lease.address,
            lease.mac
        );
    }
    Ok(())
}

/// Region's bound leases are these, and each was told by one event: equal by count and by key.
pub fn region_knows(region: &Region, leases: &[Lease], limit: Duration) -> anyhow::Result<()> {
    let expected: BTreeMap<_, _> =
        leases.iter().map(|lease| (lease.address.to_string(), hardware_address(lease))).collect();
    until(limit, &format!("region knows {} leases", expected.len()), || {
        let known = region.list("lease", "state=bound")?;
        let text =
            |lease: &Value, field: &str| lease[field].as_str().unwrap_or_default().to_owned();
        let known: BTreeMap<_, _> =
            known.iter().map(|lease| (text(lease, "address"), text(lease, "mac"))).collect();
        let missing = expected.iter().filter(|(key, mac)| known.get(*key) != Some(mac)).count();
        ensure!(missing == 0, "{missing} of {} are missing or another's", expected.len());
        ensure!(known.len() == expected.len(), "{} of {}", known.len(), expected.len());
        Ok(Some(()))
    })?;
    let events = region.list("event", "type=lease.bound")?;
    let keys: Vec<_> = events.iter().filter_map(|event| event["key"].as_str()).collect();
    let once: BTreeSet<_> = keys.iter().copied().collect();
    ensure!(keys.len() == once.len(), "{} events tell of {} leases", keys.len(), once.len());
    let expected: BTreeSet<_> = expected.keys().map(String::as_str).collect();
    let (missing, more) = (expected.difference(&once).count(), once.difference(&expected).count());
    ensure!(missing + more == 0, "{missing} leases without an event, {more} events without one");
    Ok(())
}

fn hardware_address(lease: &Lease) -> String {
    lease.mac.map(|byte| format!("{byte:02x}")).join(":")
}
