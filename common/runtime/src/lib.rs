#![doc = include_str!("../README.md")]

pub mod backoff;
pub mod channel;
pub mod clock;
pub mod config_file;
pub mod metrics;
pub mod tasks;
pub mod telemetry;
pub mod tls;
