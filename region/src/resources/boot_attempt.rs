use plan::BootAttempt;

use super::{Rules, resource};
use crate::db::names::Names;

resource!("boot-attempt", BootAttempt in boot_attempts {
    mac, machine, vlan, rack, architecture, uuid, serial, outcome, stage, cause, started_at, heard_at, stages
});

/// Boot attempts are written as racks tell them (`operations::boot_attempt`): nothing here judges one.
impl Rules for BootAttempt {
    const KEY_FIELD: &str = "mac";

    /// An attempt is told from the next of the same machine by its id, which is in the key that it is recorded under.
    fn key(&self, _: &Names) -> String {
        self.mac.to_string()
    }
}
