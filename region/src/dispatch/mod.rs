//! The way out to racks: who is connected here, and what was asked of whom. Knows no gRPC and no database.

pub mod configurations;
pub mod registry;
pub mod requests;

pub use configurations::Configurations;
pub use registry::{AskError, Registry, Session};
pub use requests::{Asked, Pending};
