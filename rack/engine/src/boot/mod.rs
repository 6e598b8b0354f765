//! What machines boot: who asks, which loader it gets, and what its loader is told to do then.

pub mod script;
