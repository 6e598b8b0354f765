//! The console as a browser meets it: who gets in, what may be written and from where, what a page shows.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

mod applying;
mod boots;
mod browser;
mod bulk;
mod concerned;
mod counts;
mod live;
mod pages;
mod parity;
mod signing_in;
#[path = "../support/mod.rs"]
mod support;
mod weight;
mod writing;
