//! The data centre of `deploy/demo`, and the tour through it. Run as root by that script.

use anyhow::{Context, bail, ensure};
use hostler_integration_tests::{
    demo::{Demo, churn, tour},
    lab::sweep,
};
use std::path::Path;

const USAGE: &str = "demo TARGET up|--once|--down";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [target, what, more @ ..] = arguments.as_slice() else { bail!("{USAGE}") };
    ensure!(nix::unistd::geteuid().is_root(), "network namespaces need root: use deploy/demo");
    let target = Path::new(target);
    match (what.as_str(), more) {
        ("up", []) => {
            let demo = Demo::build("demo", &target.join("demo"))?;
            demo.leave_running()
        }
        ("--once", []) => {
            let demo = Demo::build("once", &target.join("demo-once"))?;
            tour::check(demo)
        }
        ("--down", []) => {
            let folder = target.join("demo");
            let prefix = std::fs::read_to_string(folder.join("prefix"));
            sweep(prefix.context("no demonstration is there")?.trim())?;
            Ok(std::fs::remove_dir_all(folder)?)
        }
        ("churn", nodes) => churn::run(&target.join("demo"), nodes),
        _ => bail!("{USAGE}"),
    }
}
