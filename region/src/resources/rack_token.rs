use common::Timestamp;
use plan::RackToken;

use super::{Rules, resource};
use crate::{auth::secret, db::names::Names};

resource!("rack-token", RackToken in rack_tokens { name, expires_in, note, expires_at, used_at, used_by, secret });

impl Rules for RackToken {
    const KEY_FIELD: &str = "secret";

    /// Several may wish for one name; this tells them apart and opens nothing.
    fn key(&self, _: &Names) -> String {
        format!("join-{}", self.secret.fingerprint())
    }

    fn begin(&mut self, now: Timestamp) {
        let life = self.expires_in.unwrap_or(Self::LIFE);
        self.expires_in = Some(life);
        self.expires_at = Some(life.after(now));
        self.secret = secret::make(secret::JOIN);
    }
}
