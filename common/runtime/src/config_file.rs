//! Strict configuration files: TOML, where an unknown key is an error that suggests the one that was meant.

use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
};

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {what}", path.display())]
    Invalid { path: PathBuf, line: usize, what: String },
}

pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.into(), source })?;
    parse(&text).map_err(|(line, what)| ConfigError::Invalid { path: path.into(), line, what })
}

/// The line and what is wrong there.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, (usize, String)> {
    let document = toml::Deserializer::parse(text).map_err(|error| explain(text, "", &error))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        explain(text, &path, error.inner())
    })
}

fn explain(text: &str, path: &str, error: &toml::de::Error) -> (usize, String) {
    let line = error.span().map_or(1, |span| {
        let before = text.get(..span.start).unwrap_or_default();
        before.matches('\n').count() + 1
    });
    let mut what = error.message().trim().to_owned();
    if let Some(meant) = suggestion(&what) {
        what = format!("{what}; did you mean `{meant}`?");
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    if last.is_empty() || what.contains(&format!("`{last}`")) {
        return (line, what);
    }
    (line, format!("{path}: {what}"))
}

/// Reads serde's own "unknown field `x`, expected one of `a`, `b`".
fn suggestion(message: &str) -> Option<String> {
    let known =
        message.strip_prefix("unknown field `").or(message.strip_prefix("unknown variant `"));
    let mut words = known?.split('`').step_by(2);
    let typed = words.next()?;
    let near = words
        .filter(|word| !word.is_empty())
        .map(|word| (distance(typed, word), word))
        .filter(|(steps, word)| *steps <= 1 + word.len() / 3)
        .min()?;
    Some(near.1.to_owned())
}

/// How many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only read by the deserialiser")]
    struct Sample {
        state_directory: String,
        log: Option<Log>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by the deserialiser")]
    struct Log {
        level: u8,
    }

    #[test]
    fn errors_name_line_key_and_what_was_meant() {
        for (text, line, words) in [
            (
                "state-directory = \"/x\"\nlgo = 1\n",
                2,
                &["unknown field `lgo`", "did you mean `log`?"][..],
            ),
            (
                "state-directory = \"/x\"\n[log]\nlevel = \"high\"\n",
                3,
                &["log.level", "invalid type"],
            ),
            ("state-directory = \"/x\"\nzzzzzz = 1\n", 2, &["unknown field `zzzzzz`"]),
            ("state-directory = \n", 1, &[]),
            ("[log]\nlevel = 1\n", 1, &["missing field `state-directory`"]),
        ] {
            let (found, what) = parse::<Sample>(text).unwrap_err();
            assert_eq!(found, line, "{text}: {what}");
            for word in words {
                assert!(what.contains(word), "{text}: {what}");
            }
            assert_eq!(
                what.contains("did you mean"),
                words.len() == 2 && words[1].starts_with("did")
            );
        }
    }
}
