//! The house rules as code. Reads the tree and what cargo says of itself; builds nothing.

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Who may depend on whom among our own crates. The stories may know everybody.
const DIRECTION: &[(&str, &[&str])] = &[
    ("hostler-common", &[]),
    ("hostler-runtime", &["hostler-common"]),
    ("hostler-proto", &["hostler-common"]),
    ("hostler-plan", &["hostler-common"]),
    ("hostler-engine", &["hostler-common"]),
    ("hostler-cli", &["hostler-common", "hostler-proto", "hostler-runtime"]),
    ("hostler-region", &["hostler-common", "hostler-runtime", "hostler-proto", "hostler-plan"]),
    ("hostler-rack", &["hostler-common", "hostler-runtime", "hostler-proto", "hostler-engine"]),
];

/// Crates that decide and do not act.
const PURE: &[&str] = &["hostler-common", "hostler-plan", "hostler-engine"];

/// What a pure crate must not reach, however far away.
const IMPURE: &[&str] =
    &["tokio", "tonic", "prost", "diesel", "hyper", "axum", "rustls", "mio", "socket2", "nix"];

/// Within a crate: files under this folder must not name these modules of their own crate. Doors call operations, operations call the database,
/// never the other way round.
const DOWNWARD: &[(&str, &[&str])] = &[
    ("region/src/db", &["api", "racks", "operations", "reconcile", "dispatch"]),
    ("region/src/operations", &["api", "racks", "reconcile"]),
    ("rack/src/net", &["link", "services", "store", "apply"]),
    ("rack/src/store", &["link", "services", "apply"]),
];

const LONGEST_FILE: usize = 400;

/// Names that say nothing of what is inside.
const SHAPELESS: &[&str] =
    &["utils", "util", "helpers", "helper", "manager", "misc", "common.rs", "shared.rs"];

/// Packages that the house has once or not at all, beside the bans of `.deny.toml`.
const ONE_VERSION: &[&str] = &["hyper", "rustls", "tonic", "tokio", "prost", "axum", "diesel"];

#[test]
fn crates_depend_in_one_direction() {
    let members = members();
    let ours: BTreeSet<_> = members.iter().map(|member| member.name.as_str()).collect();
    let mut broken = Vec::new();
    for Member { name, dependencies, .. } in &members {
        if name == "hostler-integration-tests" {
            continue;
        }
        let Some((_, allowed)) = DIRECTION.iter().find(|(crate_name, _)| crate_name == name) else {
            broken.push(format!("{name} has no row in DIRECTION"));
            continue;
        };
        for dependency in dependencies.iter().map(String::as_str) {
            if ours.contains(dependency) && !allowed.contains(&dependency) {
                broken.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    check(&broken);
}

#[test]
fn pure_crates_reach_no_io() {
    let mut broken = Vec::new();
    for name in PURE {
        for (reached, ..) in built_into(&["-p", name]) {
            if IMPURE.contains(&reached.as_str()) {
                broken.push(format!("{name} reaches {reached}"));
            }
        }
    }
    check(&broken);
}

#[test]
fn modules_call_downward() {
    let mut broken = Vec::new();
    for (folder, above) in DOWNWARD {
        for file in files(&["rs"]).iter().filter(|file| file.starts_with(folder)) {
            let text = read(file);
            for module in *above {
                if text.contains(&format!("crate::{module}")) {
                    broken.push(format!("{}: names crate::{module}", file.display()));
                }
            }
        }
    }
    check(&broken);
}

#[test]
fn files_are_short() {
    let long: Vec<_> = files(&["rs", "sh", "py"])
        .into_iter()
        .chain(["deploy/demo", "deploy/test"].map(PathBuf::from))
        .filter(|file| root().join(file).exists())
        .map(|file| (read(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, file)| {
            format!("{}: {lines} lines, at most {LONGEST_FILE}: a noun is missing", file.display())
        })
        .collect();
    check(&long);
}

#[test]
fn names_say_what_is_inside() {
    let shapeless: Vec<_> = files(&["rs"])
        .into_iter()
        .filter(|file| {
            let parts = file.iter().filter_map(|part| part.to_str());
            parts.clone().any(|part| {
                SHAPELESS.contains(&part) || SHAPELESS.contains(&part.trim_end_matches(".rs"))
            })
        })
        .map(|file| file.display().to_string())
        .collect();
    check(&shapeless);
}

#[test]
fn every_crate_says_what_it_does_not_know() {
    let mut broken = Vec::new();
    for Member { name, folder, .. } in members() {
        let Ok(text) = fs::read_to_string(folder.join("README.md")) else {
            broken.push(format!("{name} has no README.md"));
            continue;
        };
        // Its first paragraph, below the title.
        let opening = text.split("\n\n").nth(1).unwrap_or_default();
        if !["Knows no", "oes not know"].iter().any(|words| opening.contains(words)) {
            broken.push(format!("{name}: README.md must open with what it does not know"));
        }
        let doc = ["src/lib.rs", "src/main.rs"]
            .iter()
            .filter_map(|file| fs::read_to_string(folder.join(file)).ok())
            .any(|text| text.contains("#![doc = include_str!(\"../README.md\")]"));
        if !doc {
            broken.push(format!("{name}: its README.md must be its crate doc"));
        }
    }
    check(&broken);
}

#[test]
fn licences_may_be_shipped() {
    let deny = deny();
    let allowed = deny["licenses"]["allow"].as_array().expect("a list");
    let allowed: Vec<_> = allowed.iter().filter_map(toml::Value::as_str).collect();
    let refused: Vec<_> = built_into(&["--workspace"])
        .into_iter()
        .filter(|(.., licence)| !permits(licence, &allowed))
        .map(|(name, _, licence)| format!("{name}: {licence}"))
        .collect();
    check(&refused);
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "ISC"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-2.0", false),
        ("MIT OR GPL-2.0", true),
        ("MIT AND GPL-2.0", false),
        ("MIT/GPL-2.0", true),
        ("(GPL-2.0 OR ISC) AND MIT", true),
        ("(GPL-2.0 OR ISC) AND GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(permits(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn banned_crates_stay_out() {
    let built = built_into(&["--workspace"]);
    let deny = deny();
    let mut broken = Vec::new();
    for ban in deny["bans"]["deny"].as_array().expect("a list") {
        let (name, reason) = (ban["crate"].as_str(), ban["reason"].as_str());
        let (name, reason) = (name.expect("a name"), reason.expect("a reason"));
        if built.iter().any(|(built, ..)| built == name) {
            broken.push(format!("{name}: {reason}"));
        }
    }
    for once in ONE_VERSION {
        let versions: BTreeSet<_> =
            built.iter().filter(|(name, ..)| name == once).map(|(_, version, _)| version).collect();
        if versions.len() != 1 {
            broken.push(format!("{once} must be there once, not in {versions:?}"));
        }
    }
    check(&broken);
}

#[test]
fn nothing_names_one_machine_or_registry() {
    // In two parts, so that this file does not name them either.
    let private = [("/wo", "rk/"), ("/ro", "ot/"), (".py", "env"), ("/ho", "me/")];
    let mut broken = Vec::new();
    for file in files(&["rs", "toml", "md", "proto", "sql", "py", "sh", "service", ""]) {
        let text = read(&file);
        for (a, b) in private {
            let name = format!("{a}{b}");
            if text.contains(&name) && !file.ends_with("tidy.rs") {
                broken.push(format!("{}: names {name}", file.display()));
            }
        }
    }
    for line in read(Path::new("Cargo.lock")).lines() {
        let Some(source) = line.strip_prefix("source = ") else { continue };
        if source != "\"registry+https://github.com/rust-lang/crates.io-index\"" {
            broken.push(format!("Cargo.lock: {source}"));
        }
    }
    check(&broken);
}

fn check(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Our own crates, as `cargo metadata` tells of their manifests.
struct Member {
    name: String,
    folder: PathBuf,
    /// What it is built with, tests left out.
    dependencies: Vec<String>,
}

fn members() -> Vec<Member> {
    let told = cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"]);
    let told: Value = serde_json::from_str(&told).expect("cargo writes JSON");
    let list = |value: &Value| value.as_array().cloned().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    list(&told["packages"])
        .iter()
        .map(|package| Member {
            name: text(&package["name"]),
            folder: Path::new(&text(&package["manifest_path"])).parent().expect("in one").into(),
            dependencies: list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        })
        .collect()
}

/// Name, version and licence of everything that is built into a crate, or into all ("--workspace"). Asked of `cargo tree`, since metadata also lists
/// what only features that nobody switches on would need.
fn built_into(selection: &[&str]) -> BTreeSet<(String, String, String)> {
    let fixed = ["--edges=normal,build", "--prefix=none", "--format={p}|{l}", "--locked"];
    cargo(&[&["tree"], selection, &fixed].concat())
        .lines()
        .filter_map(|line| {
            let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
            let (name, version) = package.split_once(' ')?;
            Some((name.to_owned(), version.to_owned(), licence.to_owned()))
        })
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let command = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output();
    let output = command.expect("cargo is here");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

/// Whether an SPDX expression leaves us a choice that is allowed. AND binds closer than OR; the old `/` is OR.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = expression.split_whitespace().peekable();
    any_of(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut permitted = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        permitted |= all_of(words, allowed);
    }
    permitted
}

fn all_of(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut permitted = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        permitted &= one(words, allowed);
    }
    permitted
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let permitted = any_of(words, allowed);
        words.next_if_eq(&")");
        return permitted;
    }
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => allowed.contains(&format!("{word} WITH {exception}").as_str()),
        None => allowed.contains(&word),
    }
}

fn deny() -> toml::Table {
    read(Path::new(".deny.toml")).parse().expect(".deny.toml is TOML")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above")
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Folders of what is built and found, which nobody wrote.
const MADE: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

/// All files of the tree with these extensions ("" is none), relative to it.
fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![root().to_owned()], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("readable").map(|entry| entry.expect("readable"))
        {
            let (path, kind) = (entry.path(), entry.file_type().expect("has a type"));
            let name = entry.file_name();
            if kind.is_dir() && !MADE.iter().any(|made| name == *made) {
                open.push(path);
            } else if kind.is_file() {
                let extension = path.extension().and_then(|it| it.to_str()).unwrap_or("");
                if extensions.contains(&extension) && name != ".git" {
                    found.push(path.strip_prefix(root()).expect("below").to_owned());
                }
            }
        }
    }
    found
}
