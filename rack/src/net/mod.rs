//! The machine's network, as far as a rack touches it.

pub mod interfaces;
