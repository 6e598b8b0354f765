use plan::User;

use super::{Rules, resource};
use crate::db::names::Names;

resource!("user", User in users { name, role, disabled, note, password_set_at });

impl Rules for User {
    const KEY_FIELD: &str = "name";

    fn key(&self, _: &Names) -> String {
        self.name.to_string()
    }
}
