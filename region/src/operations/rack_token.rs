//! What only join tokens do: tell a rack where region is and how it is known.

use plan::RackToken;
use proto::{join_token::JoinToken, v1};
use runtime::tls::Fingerprint;

use super::{OperationError, Tx};

/// Where racks find region, and by which authority they know it.
#[derive(Clone, Debug)]
pub struct Doorstep {
    /// HOST:PORT, in the order in which they are tried.
    pub addresses: Vec<String>,
    pub authority: Fingerprint,
}

/// The answer has the whole token, which a rack takes; what is kept is the hash of its secret.
pub fn create(
    tx: &mut Tx<'_>,
    doorstep: &Doorstep,
    item: v1::RackToken,
    write: &v1::Write,
) -> Result<v1::RackToken, OperationError> {
    let mut made = super::create::<RackToken>(tx, item, write)?;
    // A repeated request gets its answer again, but no secret is kept that could be in it.
    if !made.secret.is_empty() {
        let token = JoinToken {
            addresses: doorstep.addresses.clone(),
            authority: doorstep.authority.bytes(),
            secret: common::Secret::new(std::mem::take(&mut made.secret)),
        };
        made.secret = token.encode().expose().clone();
    }
    Ok(made)
}
