//! `integration-tests/benches/run pages`: the console of a region with 5,000 subnets and 100,000 leases.

use anyhow::ensure;
use hostler_integration_tests::{
    link_bench::Database,
    page_bench::{self, Part},
};

/// Any other word is a part of the names of the pages that are asked for.
fn main() -> anyhow::Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
    runtime::tls::install_provider();
    let (mut parts, mut databases, mut only) = (Vec::new(), Vec::new(), Vec::new());
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "sqlite" => databases.push(Database::Sqlite),
            "postgres" => databases.push(Database::Postgres),
            "pages" => parts.push(Part::Pages),
            "live" => parts.push(Part::Live),
            "passes" => parts.push(Part::Passes),
            _ => only.push(word),
        }
    }
    if parts.is_empty() {
        parts = vec![Part::Pages, Part::Passes, Part::Live];
    }
    if databases.is_empty() {
        databases = vec![Database::Sqlite, Database::Postgres];
    }
    page_bench::run(&parts, &databases, &only)
}
