//! Who serves a VLAN.

use common::{RackId, rack_config::Role};

use crate::Vlan;

/// The racks that get a VLAN's configuration, each with what it is for it; none until a primary is chosen.
pub fn choose_servers(vlan: &Vlan) -> Vec<(RackId, Role)> {
    let primary = vlan.primary_rack.map(|rack| (rack.cast(), Role::Primary));
    let secondary = vlan.secondary_rack.map(|rack| (rack.cast(), Role::Secondary));
    primary.into_iter().chain(secondary).collect()
}
