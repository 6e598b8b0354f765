//! Which region, and who we are to it.

use clap::ArgMatches;

use crate::{failure::Failure, grammar};

pub(crate) struct Target {
    pub(crate) server: String,
    pub(crate) token: Option<String>,
}

impl Target {
    pub(crate) fn of(arguments: &ArgMatches) -> anyhow::Result<Self> {
        let server: String = grammar::typed(arguments, "server").ok_or_else(|| {
            Failure::usage("no region named; --server or HOSTLER_SERVER says which")
        })?;
        Ok(Self { server, token: std::env::var("HOSTLER_TOKEN").ok() })
    }
}
