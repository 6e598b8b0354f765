use common::{Id, MacAddr, Objection};
use plan::{Interface, interface};

use super::{Rules, resource};
use crate::db::{
    Conn, DbError,
    condition::Condition,
    names::Names,
    stored::{Query, Saved, Stored},
};

resource!("interface", Interface in interfaces { machine, name, mac, note });

impl Rules for Interface {
    const KEY_FIELD: &str = "name";

    fn key(&self, names: &Names) -> String {
        format!("{}/{}", names.key(self.machine.uuid()), self.name)
    }

    /// Two that are made at once with one MAC address meet at the column, which is unique; the second then finds the first here.
    fn judge(&self, id: Id<Self>, conn: &mut Conn) -> Result<Vec<Objection>, DbError> {
        let other = with_mac(conn, self.mac)?.filter(|other| other.id != id);
        let other = other.as_ref().map(|other| other.key.as_str());
        Ok(interface::judge_mac(self.mac, other).into_iter().collect())
    }
}

pub(crate) fn with_mac(conn: &mut Conn, mac: MacAddr) -> Result<Option<Saved<Interface>>, DbError> {
    Ok(Interface::load(conn, Query::all(vec![Condition::equal("mac", mac.to_string())]))?.pop())
}
