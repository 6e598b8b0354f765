use common::{Id, MacAddr, Objection, Refusal};
use plan::{BootProfile, Machine, machine};

use super::{Rules, boot_profile::those_there, resource};
use crate::db::{
    Conn, DbError,
    condition::{Condition, Operator},
    names::Names,
    stored::Stored,
};

resource!("machine", Machine in machines { name, architecture, boot_profile, note, uuid, serial });

impl Rules for Machine {
    const KEY_FIELD: &str = "name";

    fn key(&self, _: &Names) -> String {
        self.name.to_string()
    }

    fn judge(&self, _: Id<Self>, conn: &mut Conn) -> Result<Vec<Objection>, DbError> {
        let Some(profile) = self.boot_profile else { return Ok(Vec::new()) };
        let profile = BootProfile::find(conn, profile)?.map(|saved| saved.value);
        let named = profile.as_ref().map(BootProfile::paths).unwrap_or_default();
        let files = those_there(conn, &named)?;
        Ok(machine::judge(self, profile.as_ref(), &files))
    }

    /// `mac=52:54:00:12:34:56`, which its interfaces say.
    fn by_what_names_it(
        field: &str,
        operator: Operator,
        typed: &str,
    ) -> Option<Result<Condition, Refusal>> {
        if field != "mac" {
            return None;
        }
        let found = match operator {
            Operator::Equal => typed.parse().map(|mac: MacAddr| mac.to_string()),
            Operator::Like => Ok(typed.to_owned()),
            Operator::Unequal
            | Operator::Below
            | Operator::AtMost
            | Operator::Above
            | Operator::AtLeast => Err(Refusal::new("can be compared by = ~")),
        };
        let named = |text| Condition::NamedBy {
            table: "interfaces",
            column: "machine",
            whose: "mac",
            operator,
            text,
        };
        Some(found.map(named))
    }
}
