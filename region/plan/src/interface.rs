use common::{Id, MacAddr, Name, Objection};

use crate::Machine;

/// A network interface of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    pub machine: Id<Machine>,
    pub name: Name,
    pub mac: MacAddr,
    pub note: String,
}

/// What the first interface of a machine is called that was made with it.
pub const FIRST: &str = "eth0";

/// `taken` is the key of the interface that has the same MAC address.
pub fn judge_mac(mac: MacAddr, taken: Option<&str>) -> Option<Objection> {
    taken.map(|other| Objection::new("mac", mac, format!("is {other}'s already")))
}
