//! The rack's configuration file: one format for a rack with a region (`run`) and for one without (`serve`).

use common::generation::Digest;
use proto::v1;
use runtime::{
    config_file::{self, ConfigError},
    telemetry::LogConfig,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    path::{Path, PathBuf},
};

use crate::attach::Assignments;

pub mod example;
mod message;

/// What stands in the file. Everything has a default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RackConfig {
    pub state_directory: PathBuf,
    /// Where `hostler-rack status` asks.
    pub status_socket: PathBuf,
    /// Prometheus metrics, as plain HTTP.
    pub metrics: SocketAddr,
    /// Where region is; empty: as the join token said.
    pub region: Vec<Address>,
    /// Interface to VLAN, where its addresses do not tell.
    pub interfaces: Assignments,
    pub leases: LeaseConfig,
    pub boot: BootFileConfig,
    pub log: LogConfig,
    /// For `serve`: the VLANs themselves.
    #[serde(deserialize_with = "message::list")]
    pub dhcp: Vec<v1::DhcpVlan>,
}

impl Default for RackConfig {
    fn default() -> Self {
        Self {
            state_directory: "/var/lib/hostler-rack".into(),
            status_socket: DEFAULT_STATUS_SOCKET.into(),
            metrics: (Ipv4Addr::LOCALHOST, METRICS_PORT).into(),
            region: Vec::new(),
            interfaces: Assignments::new(),
            leases: LeaseConfig::default(),
            boot: BootFileConfig::default(),
            log: LogConfig::default(),
            dhcp: Vec::new(),
        }
    }
}

pub const DEFAULT_PATH: &str = "/etc/hostler/rack.toml";
pub const DEFAULT_STATUS_SOCKET: &str = "/run/hostler-rack/status.sock";
const METRICS_PORT: u16 = 7252;

/// How much disk the lease log takes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct LeaseConfig {
    /// Of one segment; three are made at the start.
    pub segment: Mebibytes,
    /// Kept for a region that is away, before what happened collapses into what is.
    pub outbox: Mebibytes,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self { segment: Mebibytes(64), outbox: Mebibytes(1024) }
    }
}

/// How boot files are kept and served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BootFileConfig {
    pub tftp: bool,
    pub http_port: NonZeroU16,
    /// None: in the state directory.
    pub cache: Option<PathBuf>,
    pub cache_limit: Mebibytes,
    /// For `serve`: what machines boot.
    #[serde(deserialize_with = "message::boot")]
    pub config: Option<v1::BootConfig>,
    /// Of the files that `config` names by a source; found when it is read.
    #[serde(skip)]
    pub sources: BTreeMap<Digest, PathBuf>,
}

impl Default for BootFileConfig {
    fn default() -> Self {
        Self {
            tftp: true,
            http_port: HTTP_BOOT_PORT,
            cache: None,
            cache_limit: Mebibytes(20 * 1024),
            config: None,
            sources: BTreeMap::new(),
        }
    }
}

const HTTP_BOOT_PORT: NonZeroU16 = NonZeroU16::new(7280).expect("it is not 0");

/// An amount of disk, as a whole number of MiB in the file.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "u64")]
pub struct Mebibytes(u64);

impl Mebibytes {
    pub fn bytes(self) -> u64 {
        self.0 << 20
    }
}

impl TryFrom<u64> for Mebibytes {
    type Error = String;

    fn try_from(amount: u64) -> Result<Self, String> {
        match amount {
            1..=1_048_576 => Ok(Self(amount)),
            _ => Err(format!("{amount} must be from 1 to 1048576 (MiB)")),
        }
    }
}

/// `HOST:PORT`: a name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Address(String);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare_ipv6 = !text.starts_with('[') && text.matches(':').count() > 1;
        let parts = text.rsplit_once(':');
        let good = parts.is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
        if good && !bare_ipv6 {
            return Ok(Self(text));
        }
        Err(format!(
            "{text:?} must be HOST:PORT, such as region.example:7241 or [2001:db8::1]:7241"
        ))
    }
}

/// A file that cannot be used for what it was given for.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    File(#[from] ConfigError),
    #[error("{}: {what}", path.display())]
    WrongKind { path: PathBuf, what: &'static str },
    #[error("{}", lines(path, objections))]
    Refused { path: PathBuf, objections: Vec<common::Objection> },
}

fn lines(path: &Path, objections: &[common::Objection]) -> String {
    let each = objections.iter().map(|one| format!("{}: {one}", path.display()));
    each.collect::<Vec<_>>().join("\n")
}

pub fn load(path: &Path) -> Result<RackConfig, FileError> {
    Ok(config_file::load(path)?)
}

/// For a rack that is told by a region what to do.
pub fn load_for_run(path: &Path) -> Result<RackConfig, FileError> {
    let config = load(path)?;
    let what = if !config.dhcp.is_empty() {
        "[[dhcp]] is for `hostler-rack serve`; with a region, VLANs are configured there"
    } else if config.boot.config.is_some() {
        "[boot.config] is for `hostler-rack serve`; with a region, boots are configured there"
    } else {
        return Ok(config);
    };
    Err(FileError::WrongKind { path: path.into(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let config: RackConfig = config_file::parse("").unwrap();
        assert_eq!(config.metrics.to_string(), "127.0.0.1:7252");
        assert_eq!(config.leases.segment.bytes(), 64 << 20);
    }

    #[test]
    fn errors_name_line_field_value_and_rule() {
        for (text, line, words) in [
            (
                "state_directory = \"/x\"",
                1,
                &["`state_directory`", "did you mean `state-directory`"][..],
            ),
            ("metrics = \"7251\"", 1, &["metrics", "socket address"]),
            (
                "\nregion = [\"region.example\"]",
                2,
                &["region[0]", "\"region.example\"", "HOST:PORT"],
            ),
            ("region = [\"2001:db8::1:7241\"]", 1, &["region[0]", "[2001:db8::1]:7241"]),
            ("region = [\"a:0\"]", 1, &["region[0]", "HOST:PORT"]),
            ("[leases]\nsegment = 0", 2, &["leases.segment", "0 must be from 1"]),
            ("[boot]\nhttp-port = 0", 2, &["boot.http-port", "0"]),
            ("[boot]\ntftpd = false", 2, &["`tftpd`", "did you mean `tftp`"]),
            ("[boot.config]\nfiles = 3", 2, &["boot.config.files", "a list"]),
            ("[log]\nformat = \"jsn\"", 2, &["log.format", "`jsn`", "did you mean `json`"]),
            ("[interfaces]\neth1 = 10", 2, &["interfaces.eth1", "expected a string"]),
        ] {
            let (found, what) = config_file::parse::<RackConfig>(text).unwrap_err();
            assert_eq!(found, line, "{text}: {what}");
            for word in words {
                assert!(what.contains(word), "{text}: {what} does not say {word}");
            }
        }
    }

    #[test]
    fn a_rack_with_a_region_takes_no_vlans_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rack.toml");
        std::fs::write(&path, "[[dhcp]]\nname = \"dc1/10\"\n").unwrap();
        let error = load_for_run(&path).unwrap_err().to_string();
        assert!(error.contains("rack.toml") && error.contains("hostler-rack serve"), "{error}");
        assert_eq!(load(&path).unwrap().dhcp[0].name, "dc1/10");
    }
}
