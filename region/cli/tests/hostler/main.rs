//! The command line as an operator or a script meets it, against a region that says what a test tells it to.

#![expect(clippy::unwrap_used, reason = "a test ends where its own set-up fails")]

mod boot_files;
mod boot_traces;
mod command;
mod completions;
mod fake_region;
mod files;
mod login;
mod refusals;
mod terminal;
mod verbs;
mod wait;
mod watch;
