//! Who is asking, and what they may do.

mod policy;

pub use policy::{Actor, Role, Verb, authorise};
