use common::Secret;
use std::fmt::Write;

/// A secret as region keeps it: the hash of it, and itself only between its making and the one answer that tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    hash: [u8; 32],
    fresh: Option<Secret<String>>,
}

impl Credential {
    /// Of a thing that has none yet.
    pub const NONE: Self = Self { hash: [0; 32], fresh: None };

    pub fn fresh(secret: Secret<String>, hash: [u8; 32]) -> Self {
        Self { hash, fresh: Some(secret) }
    }

    pub const fn kept(hash: [u8; 32]) -> Self {
        Self { hash, fresh: None }
    }

    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Only of one that was made just now.
    pub fn secret(&self) -> Option<&Secret<String>> {
        self.fresh.as_ref()
    }

    /// The beginning of the hash: tells credentials apart for people and logs, and is of no use to a thief.
    pub fn fingerprint(&self) -> String {
        self.hash[..5].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}
