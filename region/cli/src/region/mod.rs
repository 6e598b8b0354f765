//! Speaking to region: gRPC by descriptor, so that no kind needs code of its own.

mod client;
mod codec;
mod dial;
mod message;

pub(crate) use client::{Answer, Client, method_of};
pub(crate) use dial::shown;
pub(crate) use message::{Fill, Read};
