//! Who is asking, and what they may do.

pub mod authorities;
pub mod authority;
pub mod identity;
pub mod password;
mod policy;
pub mod sealing;
pub mod secret;
pub mod server_certificate;
pub mod throttle;

pub use policy::{Actor, Role, Verb, authorise, may_see};
