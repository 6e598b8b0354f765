//! Racks' messages to the vocabulary and back: the only door where a rack's or region's wire is believed or refused. What comes out is valid.

mod boot_attempt;
mod boot_config;
pub mod rack_config;
pub mod rack_link;

mod path;

pub use path::Refused;
