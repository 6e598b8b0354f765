use common::{Id, Objection};
use plan::{Reservation, Subnet, reservation};

use super::{Rules, in_vrf_of, range::of_subnet, resource};
use crate::db::{Conn, DbError, names::Names, stored::Stored};

resource!("reservation", Reservation in reservations { subnet, address, mac, client_id, host_name, next_server, boot_file, options, note });

impl Rules for Reservation {
    const KEY_FIELD: &str = "address";

    fn key(&self, names: &Names) -> String {
        in_vrf_of(&names.key(self.subnet.uuid()), self.address)
    }

    fn judge(&self, id: Id<Self>, conn: &mut Conn) -> Result<Vec<Objection>, DbError> {
        let Some(subnet) = Subnet::find(conn, self.subnet)? else { return Ok(Vec::new()) };
        let mut siblings = of_subnet::<Self>(conn, self.subnet)?;
        siblings.retain(|sibling| sibling.id != id);
        let siblings: Vec<Self> = siblings.into_iter().map(|sibling| sibling.value).collect();
        Ok(reservation::judge(self, &subnet.value, &siblings))
    }
}
