//! The racks' door, from the other side of it: a scripted rack over the real stream.

#![expect(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

mod bench;
mod boot_files;
mod boots;
mod certificates;
mod configurations;
mod counts;
mod departures;
mod facts;
mod machines;
mod measures;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod two_regions;
mod unbuildable;
