//! Who is asking, and what they may do.

mod policy;
pub mod secret;

pub use policy::{Actor, Role, Verb, authorise, may_see};
