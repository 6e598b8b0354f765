use plan::Lease;

use super::{Rules, in_vrf_of, resource};
use crate::db::{leases::nowhere, names::Names};

resource!("lease", Lease in leases { address, state, mac, client_id, host_name, vlan, subnet, rack, relay_information, started_at, ends_at });

/// Leases are written in bulk (`db::leases`), by the rack that owns them: nothing here judges one.
impl Rules for Lease {
    const KEY_FIELD: &str = "address";

    fn key(&self, names: &Names) -> String {
        match (self.subnet, self.vlan) {
            (Some(subnet), _) => in_vrf_of(&names.key(subnet.uuid()), self.address),
            (None, Some(vlan)) => nowhere(self.address, vlan),
            (None, None) => self.address.to_string(),
        }
    }
}
