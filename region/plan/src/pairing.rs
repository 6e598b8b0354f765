//! Who serves a VLAN.

use common::{RackId, rack_config::Role};
use std::collections::BTreeSet;

use crate::Vlan;

/// The racks that get a VLAN's configuration, each with what it is for it; none until a primary is chosen.
pub fn choose_servers(vlan: &Vlan) -> Vec<(RackId, Role)> {
    let primary = vlan.primary_rack.map(|rack| (rack.cast(), Role::Primary));
    let secondary = vlan.secondary_rack.map(|rack| (rack.cast(), Role::Secondary));
    primary.into_iter().chain(secondary).collect()
}

/// Each rack that serves one of these VLANs. Of all that there are: those that know what machines boot.
pub fn choose_servers_of_any<'a>(vlans: impl IntoIterator<Item = &'a Vlan>) -> BTreeSet<RackId> {
    vlans.into_iter().flat_map(choose_servers).map(|(rack, _)| rack).collect()
}
