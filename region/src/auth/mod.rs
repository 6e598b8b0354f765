//! Who is asking, and what they may do.

pub mod authorities;
pub mod authority;
pub mod identity;
mod policy;
pub mod sealing;
pub mod secret;
pub mod server_certificate;

pub use policy::{Actor, Role, Verb, authorise, may_see};
