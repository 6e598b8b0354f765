use common::Timestamp;
use plan::Token;

use super::{Rules, resource};
use crate::{auth::secret, db::names::Names};

resource!("token", Token in tokens { name, role, expires_in, note, expires_at, last_used_at, secret });

impl Rules for Token {
    const KEY_FIELD: &str = "name";

    fn key(&self, _: &Names) -> String {
        self.name.to_string()
    }

    fn begin(&mut self, now: Timestamp) {
        self.expires_at = self.expires_in.map(|life| life.after(now));
        self.secret = secret::make(secret::OPERATOR);
    }
}
