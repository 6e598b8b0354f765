use common::Id;
use plan::Rack;

use super::{Rules, resource};
use crate::db::{Conn, DbError, names::Names, rack_rows};

resource!("rack", Rack in racks { name, note, connected, version, address, last_seen, certificate_expires, revoked });

impl Rules for Rack {
    const KEY_FIELD: &str = "name";

    fn key(&self, _: &Names) -> String {
        self.name.to_string()
    }

    fn forget(id: Id<Self>, conn: &mut Conn) -> Result<(), DbError> {
        rack_rows::forget(conn, id.cast())
    }
}
