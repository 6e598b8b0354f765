//! Logs: one line each, to standard output, for the journal to keep.
//!
//! Fields have one name everywhere: `rack`, `vlan`, `subnet`, `address`, `mac`, `interface`, `scope`, `generation`, `fact`, `cursor`, `actor`, `kind`,
//! `key`, `peer` (an address and port), `listener`, `task`, `path`, `error` (with its causes), `elapsed_ms`, `count`.

use serde::Deserialize;
use std::{error::Error, fmt};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// The `[log]` table of a configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LogConfig {
    pub format: LogFormat,
    /// `info`, or finer: `info,hostler_rack::link=debug`.
    pub filter: Filter,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A filter that was seen to parse.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Filter(String);

impl Default for Filter {
    fn default() -> Self {
        Self("info".into())
    }
}

impl TryFrom<String> for Filter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        EnvFilter::try_new(&text)
            .map(|_| Self(text.clone()))
            .map_err(|error| format!("{text:?} is no log filter such as \"info\": {error}"))
    }
}

/// Called once, first thing in `main`; the environment variable `HOSTLER_LOG` overrides the filter.
pub fn init(config: &LogConfig) {
    init_to(config, std::io::stdout);
}

fn init_to<W>(config: &LogConfig, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_env("HOSTLER_LOG")
        .or_else(|_| EnvFilter::try_new(&config.filter.0))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    // A second call (tests in one process) keeps the first.
    let _ = match config.format {
        LogFormat::Text => builder.with_ansi(false).try_init().is_ok(),
        LogFormat::Json => builder.json().flatten_event(true).try_init().is_ok(),
    };
}

/// An error with its causes on one line: the form in which errors are logged.
pub struct Causes<'a>(pub &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut said = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Transparent errors and those that quote their cause would say it twice.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}
