use plan::Rack;

use super::{Rules, resource};
use crate::db::names::Names;

resource!("rack", Rack in racks { name, note, connected, version, address, last_seen, certificate_expires, revoked });

impl Rules for Rack {
    const KEY_FIELD: &str = "name";

    fn key(&self, _: &Names) -> String {
        self.name.to_string()
    }
}
