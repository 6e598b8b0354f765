#![doc = include_str!("../README.md")]

pub mod boot;
pub mod dhcp;
pub mod lease;
pub mod output;
