//! Secrets that region makes: long enough that a plain hash of one tells a thief nothing.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use common::Secret;
use plan::Credential;

/// How an operator's token begins: scanners for leaked secrets find it by this.
pub const OPERATOR: &str = "hostler-";
/// The secret part of a join token.
pub const JOIN: &str = "";

/// 256 bits of chance.
pub fn make(prefix: &str) -> Credential {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the system gives random bytes");
    let secret = format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash(&secret);
    Credential::fresh(Secret::new(secret), hash)
}

/// What is kept of a secret, and what one that comes in is found by.
pub fn hash(secret: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    hash
}
