//! `integration-tests/benches/run link`: how fast what people do and what racks say crosses between region and racks.

use anyhow::{bail, ensure};
use hostler_integration_tests::link_bench::{self, Database, Part};

const USAGE: &str =
    "run link [changes|events|facts].. [sqlite|postgres]..; nothing said is everything";

fn main() -> anyhow::Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root");
    runtime::tls::install_provider();
    let (mut parts, mut databases) = (Vec::new(), Vec::new());
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "changes" => parts.push(Part::Changes),
            "events" => parts.push(Part::Events),
            "facts" => parts.push(Part::Facts),
            "sqlite" => databases.push(Database::Sqlite),
            "postgres" => databases.push(Database::Postgres),
            _ => bail!("{word}: {USAGE}"),
        }
    }
    if parts.is_empty() {
        parts = vec![Part::Changes, Part::Events, Part::Facts];
    }
    if databases.is_empty() {
        databases = vec![Database::Sqlite, Database::Postgres];
    }
    link_bench::run(&parts, &databases)
}
