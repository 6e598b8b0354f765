//! The file that logins are kept in. It holds tokens: only its owner may read it.

use anyhow::Context;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// The profile that counts where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    pub(crate) server: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// SHA-256 of the region's certificate or of the authority that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// The authorities that may sign the region's certificate, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authority: Option<String>,
}

impl Store {
    /// `hostler/config.toml` where the user's configuration lies.
    pub(crate) fn path() -> anyhow::Result<PathBuf> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = set("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")))
            .context("neither XDG_CONFIG_HOME nor HOME says where profiles are kept")?;
        Ok(folder.join("hostler").join("config.toml"))
    }

    /// Empty when there is no file.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let mode = fs::metadata(path).map(|file| file.permissions().mode()).unwrap_or_default();
        if mode & 0o077 != 0 {
            let path = path.display();
            eprintln!("warning: others may read the tokens in {path}; run chmod 600 {path}");
        }
        Ok(runtime::config_file::load(path)?)
    }

    /// The file is there whole or not at all.
    pub(crate) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.parent().context("a profile file lies in a folder")?;
        let at = || path.display().to_string();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(at)?;
        let beside = path.with_extension("toml.new");
        // One that an interrupted save left may have other permissions.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(at);
            }
            _ => {}
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .with_context(at)?;
        file.write_all(toml::to_string(self)?.as_bytes()).with_context(at)?;
        file.sync_all().with_context(at)?;
        fs::rename(&beside, path).with_context(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_again_and_only_the_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostler").join("config.toml");
        assert_eq!(Store::load(&path).unwrap(), Store::default());
        let profile = Profile {
            server: "https://region.example:7240".into(),
            token: Some("secret".into()),
            fingerprint: Some("ab".repeat(32)),
            authority: None,
        };
        let store = Store {
            current: Some("lab".into()),
            profiles: [("lab".to_owned(), profile)].into_iter().collect(),
        };
        store.save(&path).unwrap();
        store.save(&path).unwrap();
        assert_eq!(Store::load(&path).unwrap(), store);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, "[profiles.lab]\nserver = \"https://a\"\nfingerprin = \"\"\n").unwrap();
        let error = Store::load(&path).unwrap_err().to_string();
        assert!(error.contains("did you mean `fingerprint`"), "{error}");
    }
}
