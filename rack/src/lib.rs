#![doc = include_str!("../README.md")]

pub mod agent;
pub mod apply;
pub mod attach;
pub mod config;
pub mod enrol;
pub mod link;
pub mod net;
pub mod scope;
pub mod services;
pub mod standalone;
pub mod status;
pub mod store;
