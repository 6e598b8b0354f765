use common::{Id, Objection, rack_config::boot::BootPath};

use crate::{
    BootProfile,
    loader::{Files, LoaderSetting, judge_loaders},
};

/// What is booted where nothing else is said.
#[derive(Clone, Debug, PartialEq)]
pub struct BootDefault {
    /// None: a machine without a profile of its own is told who it is, and tries again.
    pub boot_profile: Option<Id<BootProfile>>,
    /// In place of those with the usual names.
    pub loaders: Vec<LoaderSetting>,
    pub note: String,
}

impl BootDefault {
    pub fn names(&self, path: &BootPath) -> bool {
        self.loaders.iter().any(|loader| loader.path == *path)
    }
}

/// `files` are what is there of those that it names.
pub fn judge(default: &BootDefault, files: &Files) -> Vec<Objection> {
    let mut objections = Vec::new();
    judge_loaders(&default.loaders, files, &mut objections);
    objections
}
