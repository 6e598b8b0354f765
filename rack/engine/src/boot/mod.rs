//! What machines boot: who asks, which loader it gets, and what its loader is told to do then.

pub(crate) mod compiled;
pub(crate) mod loader;
pub mod script;
pub mod trace;

pub use compiled::CompiledBoot;
pub use loader::BootClient;
