use common::{Id, Objection};
use plan::{BootDefault, boot_default, loader::Files};

use super::{Rules, boot_profile::held, resource};
use crate::db::{Conn, DbError, names::Names};

resource!("boot-default", BootDefault in boot_defaults { boot_profile, loaders, note });

impl Rules for BootDefault {
    const KEY_FIELD: &str = "key";

    /// There is one, for all of the region.
    fn key(&self, _: &Names) -> String {
        "region".into()
    }

    fn judge(&self, _: Id<Self>, conn: &mut Conn) -> Result<Vec<Objection>, DbError> {
        let named: Files = self.loaders.iter().map(|loader| loader.path.clone()).collect();
        Ok(boot_default::judge(self, &held(conn, &named)?))
    }
}
