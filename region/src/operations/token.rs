//! What only tokens do: let somebody in, and be made on the machine itself.

use common::{Secret, Timestamp};
use plan::{Role, Token};
use proto::v1;

use super::{OperationError, Tx, rack};
use crate::{
    Region,
    auth::Actor,
    db::{
        condition::Condition,
        names,
        stored::{Query, Stored},
    },
};

/// How often the time of the last use is written.
const USED_TO_THE: i64 = 60_000_000;

/// A token that is good.
pub struct Good {
    /// Whose it is.
    pub actor: Actor,
    pub expires_at: Option<Timestamp>,
}

/// Whose token it is, while it is good.
pub async fn use_token(region: &Region, hash: [u8; 32]) -> Result<Option<Good>, OperationError> {
    let now = region.clock.now();
    let by_hash = move || Query::all(vec![Condition::equal("secret", hash.to_vec())]);
    let actor = rack::system();
    let found = region.read(&actor, move |tx| Ok(Token::load(tx.conn, by_hash())?)).await?;
    let Some(token) = found.into_iter().next() else { return Ok(None) };
    if token.value.expires_at.is_some_and(|end| end <= now) {
        return Ok(None);
    }
    let actor = Actor { name: token.key.clone(), role: token.value.role };
    let stale = |used: Timestamp| now.micros() - used.micros() >= USED_TO_THE;
    if token.value.last_used_at.is_none_or(stale) {
        // No event and no revision: being used does not change a token.
        let note = move |conn: &mut crate::db::Conn| {
            let Some(mut saved) = Token::find(conn, token.id)? else { return Ok(()) };
            saved.value.last_used_at = Some(now);
            Token::update(conn, &saved)
        };
        if let Err(error) = region.db.transaction(note).await {
            tracing::debug!(%error, "the last use of a token was not noted");
        }
    }
    Ok(Some(Good { actor, expires_at: token.value.expires_at }))
}

/// The first way in, and the way back in. Without a name it is admin, or the first of admin-2, admin-3 and so on that is free.
pub async fn create_admin(
    region: &Region,
    name: Option<String>,
) -> Result<Secret<String>, OperationError> {
    let actor = Actor { name: "hostler-region token create".into(), role: Role::Admin };
    let made = region
        .write(&actor, move |tx| {
            let name = match &name {
                Some(name) => name.clone(),
                None => free_name(tx)?,
            };
            let role = Role::Admin.to_string();
            let item = v1::Token { name, role, ..v1::Token::default() };
            super::create::<Token>(tx, item, &v1::Write::default())
        })
        .await?;
    Ok(Secret::new(made.secret))
}

fn free_name(tx: &mut Tx<'_>) -> Result<String, OperationError> {
    let mut name = "admin".to_owned();
    let mut number = 1;
    while names::find(tx.conn, Token::TABLE, &name)?.is_some() {
        number += 1;
        name = format!("admin-{number}");
    }
    Ok(name)
}
