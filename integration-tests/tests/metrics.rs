//! The list of metrics names each that the programs make, and no other.

use std::{collections::BTreeSet, fs, path::Path};

const MACROS: [&str; 3] = ["counter!(", "gauge!(", "histogram!("];

/// Names that a source file gives to metrics.
fn made(source: &str) -> BTreeSet<String> {
    let calls = MACROS.iter().flat_map(|call| source.split(call).skip(1));
    let quoted = calls.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
    quoted.map(|(name, _)| name.to_owned()).collect()
}

fn of_folder(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            names.extend(of_folder(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            names.extend(made(&fs::read_to_string(&path)?));
        }
    }
    Ok(names)
}

#[test]
fn the_list_is_what_the_programs_measure() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("deploy/metrics.md"))?;
    let (region, rack) = text.split_once("## Rack").expect("a chapter of each");
    for (source, chapter) in [("region/src", region), ("rack/src", rack)] {
        let made = of_folder(&root.join(source))?;
        assert!(made.len() > 10, "{source}: {made:?}");
        let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let listed: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
        assert_eq!(made, listed, "{source}");
    }
    Ok(())
}

#[test]
fn names_are_found_in_every_form_of_call() {
    let source =
        "metrics::gauge!(\n  \"hostler_a\", \"x\" => y)counter!(\"hostler_b\").increment(1)";
    assert_eq!(made(source), ["hostler_a", "hostler_b"].map(str::to_owned).into());
}
