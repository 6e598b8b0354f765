//! `integration-tests/benches/run pages`: the console of a region with 5,000 subnets and 100,000 leases.

use anyhow::{bail, ensure};
use hostler_integration_tests::{link_bench::Database, page_bench};

const USAGE: &str = "run pages [sqlite|postgres]..; nothing said is both";

fn main() -> anyhow::Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
    runtime::tls::install_provider();
    let mut databases = Vec::new();
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "sqlite" => databases.push(Database::Sqlite),
            "postgres" => databases.push(Database::Postgres),
            _ => bail!("{word}: {USAGE}"),
        }
    }
    if databases.is_empty() {
        databases = vec![Database::Sqlite, Database::Postgres];
    }
    page_bench::run(&databases)
}
