//! The example files are what the programs print, and the programs take them.

use hostler_integration_tests::lab::{program, run};
use std::{fs, path::Path, process::Command};

#[test]
fn examples_are_what_the_programs_say() -> anyhow::Result<()> {
    for (file, name, words) in [
        ("region.toml", "hostler-region", ["example-config"].as_slice()),
        ("rack.toml", "hostler-rack", &["config", "example", "--region"]),
        ("standalone.toml", "hostler-rack", &["config", "example"]),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config").join(file);
        let printed = run(Command::new(program(name)?).args(words))?;
        assert_eq!(fs::read_to_string(&path)?, printed, "{name} {}", words.join(" "));
    }
    Ok(())
}
