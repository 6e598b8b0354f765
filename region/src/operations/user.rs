//! What only users have: a password. Region keeps its hash, in a column that no message shows.

use common::{Objection, Secret};
use plan::User;
use proto::v1;

use super::{OperationError, find, observe, show};
use crate::{
    Region,
    auth::{
        Actor, Verb, authorise,
        password::{Passwords, judge},
    },
    db::console_sessions as rows,
    events::Cursor,
};

/// Whoever is signed in by this name is not any more: a password is set when the old one may be known.
pub async fn set_password(
    region: &Region,
    actor: &Actor,
    request: v1::SetPasswordRequest,
) -> Result<(v1::User, Cursor), OperationError> {
    authorise(actor, "user", Verb::SetPassword)?;
    // Without the value: an answer may be logged.
    judge(&request.password).map_err(|refusal| {
        OperationError::Refused(vec![Objection::new("password", "", refusal.0)])
    })?;
    let write = request.write.unwrap_or_default();
    let hash = Passwords::default().hash(Secret::new(request.password)).await;
    let set = move |tx: &mut super::Tx<'_>| {
        let user = find::<User>(tx.conn, &request.id)?;
        if write.validate_only {
            return show(tx.conn, &user);
        }
        let now = tx.now;
        let learn = |user: &mut User| user.password_set_at = Some(now);
        let saved = observe(tx, user.id, "user.password-set", &write.message, learn)?;
        rows::save_password(tx.conn, user.id.uuid(), &hash)?;
        rows::delete_of_holder(tx.conn, user.id.uuid())?;
        show(tx.conn, &saved.unwrap_or(user))
    };
    region.write_at(actor, set).await
}
