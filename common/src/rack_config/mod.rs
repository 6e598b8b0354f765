//! What one rack should be doing, in scopes: each is configured, judged and acknowledged by itself. Values of these types are valid: what must hold
//! inside one scope is checked by their constructors, whether they come from region's stream or from a file.

pub mod boot;
pub mod dhcp;

pub use boot::{BootConfig, BootParts};
pub use dhcp::{ClientMatch, DhcpSubnet, DhcpVlan, Reservation, Role};

use std::fmt;

use crate::VlanId;

/// Which part of a rack's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeName {
    /// The DHCP of one VLAN.
    Dhcp(VlanId),
    /// What machines boot, in all VLANs of the rack.
    Boot,
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp(vlan) => write!(f, "dhcp/{vlan}"),
            Self::Boot => f.write_str("boot"),
        }
    }
}

impl std::str::FromStr for ScopeName {
    type Err = crate::Refusal;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "boot" {
            return Ok(Self::Boot);
        }
        match text.split_once('/') {
            Some(("dhcp", vlan)) => vlan.parse().map(Self::Dhcp),
            _ => Err(crate::Refusal::new("is no scope that this rack knows")),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ScopeConfig {
    Dhcp(DhcpVlan),
    Boot(BootConfig),
}

impl ScopeConfig {
    pub fn name(&self) -> ScopeName {
        match self {
            Self::Dhcp(vlan) => ScopeName::Dhcp(vlan.vlan),
            Self::Boot(_) => ScopeName::Boot,
        }
    }
}
