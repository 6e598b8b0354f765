//! The racks' door, from the other side of it: a scripted rack over the real stream.

mod bench;
mod certificates;
mod configurations;
mod facts;
#[path = "../support/mod.rs"]
mod support;
