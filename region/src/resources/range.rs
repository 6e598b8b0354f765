use common::{Id, IpRange, Objection};
use plan::{Range, Subnet, range};

use super::{Rules, in_vrf_of, resource};
use crate::db::{
    Conn, DbError,
    condition::Condition,
    names::Names,
    stored::{Query, Stored},
};

resource!("range", Range in ranges { subnet, first, last, dynamic, note });

impl Rules for Range {
    const KEY_FIELD: &str = "first";

    fn key(&self, names: &Names) -> String {
        in_vrf_of(&names.key(self.subnet.uuid()), format!("{}-{}", self.first, self.last))
    }

    fn judge(&self, id: Id<Self>, conn: &mut Conn) -> Result<Vec<Objection>, DbError> {
        let Some(subnet) = Subnet::find(conn, self.subnet)? else { return Ok(Vec::new()) };
        let mut siblings = of_subnet::<Self>(conn, self.subnet)?;
        siblings.retain(|sibling| sibling.id != id);
        let siblings: Vec<IpRange> =
            siblings.iter().filter_map(|sibling| sibling.value.addresses()).collect();
        Ok(range::judge(self, &subnet.value, &siblings))
    }
}

/// What belongs to a subnet.
pub(super) fn of_subnet<R: Stored>(
    conn: &mut Conn,
    subnet: Id<Subnet>,
) -> Result<Vec<crate::db::stored::Saved<R>>, DbError> {
    R::load(conn, Query::all(vec![Condition::equal("subnet", subnet.uuid().as_bytes().to_vec())]))
}
