use plan::BootFile;

use super::{Rules, resource};
use crate::db::names::Names;

resource!("boot-file", BootFile in boot_files { path, size, sha256, note });

impl Rules for BootFile {
    const KEY_FIELD: &str = "path";

    fn key(&self, _: &Names) -> String {
        self.path.to_string()
    }
}
