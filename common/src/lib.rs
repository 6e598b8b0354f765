#![doc = include_str!("../README.md")]

pub mod dhcp_options;
pub mod event_types;
pub mod generation;
pub mod http_range;
pub mod ids;
pub mod net;
pub mod objection;
pub mod rack_config;
pub mod ranges;
pub mod report;
pub mod request;
pub mod secret;
pub mod time;

pub use generation::{Epoch, Generation};
pub use ids::{Id, MachineId, RackId, SubnetId, VlanId};
pub use net::{Cidr, DomainName, MacAddr, Metric, Mtu, Name, VlanTag};
pub use objection::{Objection, Refusal};
pub use ranges::{IpRange, RangeSet};
pub use secret::Secret;
pub use time::{Lifetime, Timestamp};
