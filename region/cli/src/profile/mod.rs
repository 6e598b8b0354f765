//! Which region, and who we are to it: by flags, by the environment, or by a profile that `hostler login` wrote.

mod address;
mod store;
mod target;

pub(crate) use address::Server;
pub(crate) use store::{Profile, Store};
pub(crate) use target::{Target, authorities, pinned, read_authority};
