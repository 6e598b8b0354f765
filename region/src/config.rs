//! The configuration file of a region. `example-config` prints `EXAMPLE`, which a test holds against what is read here.

use common::Secret;
use runtime::telemetry::LogConfig;
use serde::Deserialize;
use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// Every key with its default, commented out.
pub const EXAMPLE: &str = include_str!("example.toml");

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    pub state_directory: PathBuf,
    /// None: SQLite in the state directory.
    #[serde(deserialize_with = "secret")]
    pub database: Option<Secret<String>>,
    /// None: a folder in the state directory.
    pub boot_files: Option<PathBuf>,
    pub operators: Operators,
    pub racks: Racks,
    pub metrics: Metrics,
    pub events: Events,
    pub audit: Audit,
    pub log: LogConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Operators {
    pub listen: Vec<SocketAddr>,
    /// For the certificate that region makes itself.
    pub names: Vec<String>,
    /// PEM, the chain; with `key`. None: region makes its own.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Racks {
    pub listen: Vec<SocketAddr>,
    /// What join tokens tell racks; empty: this machine's name and addresses.
    pub addresses: Vec<String>,
    #[serde(rename = "certificate-seconds", deserialize_with = "seconds")]
    pub certificate_lifetime: Duration,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Metrics {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Events {
    pub keep_days: u32,
    pub keep_rows: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Audit {
    pub keep_days: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    #[error(
        "operators: certificate and key belong together; give both, or neither for a certificate that region makes itself"
    )]
    HalfAnIdentity,
    #[error("{field}: must name at least one address to listen on")]
    NoListener { field: &'static str },
    #[error("racks.certificate-seconds: {value}: must be at least 2")]
    ShortCertificates { value: u64 },
}

impl Config {
    /// What no single value can break.
    pub fn check(&self) -> Result<(), ConfigProblem> {
        if self.operators.certificate.is_some() != self.operators.key.is_some() {
            return Err(ConfigProblem::HalfAnIdentity);
        }
        for (field, listen) in
            [("operators.listen", &self.operators.listen), ("racks.listen", &self.racks.listen)]
        {
            if listen.is_empty() {
                return Err(ConfigProblem::NoListener { field });
            }
        }
        let value = self.racks.certificate_lifetime.as_secs();
        if value < 2 { Err(ConfigProblem::ShortCertificates { value }) } else { Ok(()) }
    }

    /// A URL may have a password in it.
    pub fn database(&self) -> Secret<String> {
        let own = || Secret::new(self.state_directory.join("region.db").display().to_string());
        self.database.clone().unwrap_or_else(own)
    }

    /// Where the content of boot files lies.
    pub fn boot_files(&self) -> PathBuf {
        self.boot_files.clone().unwrap_or_else(|| self.state_directory.join("boot-files"))
    }

    /// The file with the key that seals the secrets in the database: beside SQLite's, else in the state directory.
    pub fn key_file(&self) -> PathBuf {
        match self.database.as_ref().map(Secret::expose) {
            Some(database) if !database.contains("://") => PathBuf::from(format!("{database}.key")),
            _ => self.state_directory.join("region.key"),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state_directory: "/var/lib/hostler-region".into(),
            database: None,
            boot_files: None,
            operators: Operators::default(),
            racks: Racks::default(),
            metrics: Metrics::default(),
            events: Events::default(),
            audit: Audit::default(),
            log: LogConfig::default(),
        }
    }
}

impl Default for Operators {
    fn default() -> Self {
        Self { listen: vec![everywhere(7240)], names: Vec::new(), certificate: None, key: None }
    }
}

impl Default for Racks {
    fn default() -> Self {
        Self {
            listen: vec![everywhere(7241)],
            addresses: Vec::new(),
            certificate_lifetime: Duration::from_secs(365 * 86_400),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7251)) }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self { keep_days: 90, keep_rows: 10_000_000 }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { keep_days: 2 * 365 }
    }
}

fn everywhere(port: u16) -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, port).into()
}

fn seconds<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_secs)
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Secret<String>>, D::Error> {
    Ok(Option::deserialize(from)?.map(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::config_file::parse;

    /// The example with its keys no longer commented out: each is known, and each is the default.
    #[test]
    fn the_example_is_the_defaults() {
        let keys = |line: &str| {
            let line = line.strip_prefix("# ").unwrap_or(line).to_owned();
            (line.contains(" = ") && !line.starts_with("For ")).then_some(line)
        };
        let live: Vec<String> = EXAMPLE
            .lines()
            .filter_map(|line| if line.starts_with('[') { Some(line.into()) } else { keys(line) })
            .filter(|line| {
                !["database", "boot-files", "certificate =", "key ="]
                    .iter()
                    .any(|k| line.starts_with(k))
            })
            .collect();
        let read: Config = parse(&live.join("\n")).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
        assert!(live.len() > 11, "{live:?}");
        let as_printed: Config = parse(EXAMPLE).unwrap();
        assert_eq!(format!("{as_printed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn what_cannot_work_together_is_refused() {
        for (text, expected) in [
            ("[operators]\ncertificate = \"/x\"", "operators: certificate and key"),
            ("[racks]\nlisten = []", "racks.listen"),
            ("[racks]\ncertificate-seconds = 1", "racks.certificate-seconds: 1"),
        ] {
            let config: Config = parse(text).unwrap();
            let refused = config.check().unwrap_err().to_string();
            assert!(refused.starts_with(expected), "{refused}");
        }
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn the_key_lies_beside_the_database() {
        let at = |database: Option<&str>| {
            let database = database.map(|text| Secret::new(text.to_owned()));
            let config = Config { database, ..Config::default() };
            (config.database().expose().clone(), config.key_file().display().to_string())
        };
        let own = "/var/lib/hostler-region";
        assert_eq!(at(None), (format!("{own}/region.db"), format!("{own}/region.key")));
        assert_eq!(at(Some("/x/a.db")), ("/x/a.db".into(), "/x/a.db.key".into()));
        assert_eq!(at(Some("postgres://h/d")).1, format!("{own}/region.key"));
        let files = |text| parse::<Config>(text).unwrap().boot_files().display().to_string();
        assert_eq!(files(""), format!("{own}/boot-files"));
        assert_eq!(files("boot-files = \"/srv/shared\""), "/srv/shared");
    }

    #[test]
    fn a_password_is_not_printed() {
        let config: Config = parse("database = \"postgres://u:pass@h/d\"").unwrap();
        assert_eq!(config.database().expose(), "postgres://u:pass@h/d");
        assert!(!format!("{config:?}").contains("pass"));
    }
}
