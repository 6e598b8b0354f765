//! The command line as an operator or a script meets it, against a region that says what a test tells it to.

mod command;
mod fake_region;
mod login;
mod refusals;
mod wait;
mod watch;
