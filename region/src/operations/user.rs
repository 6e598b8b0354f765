//! What only users have: a password. Region keeps its hash, in a column that no message shows.

use common::{Objection, Secret};
use plan::User;
use proto::v1::{self, Change};

use super::{
    Changed, OperationError, Tx, audit, changed,
    write::{Told, say},
};
use crate::{
    Region,
    auth::{
        Actor, Verb, authorise,
        password::{Passwords, judge},
    },
    db::{console_sessions as rows, stored::Stored},
    events::Cursor,
    resources::Resource,
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
    let (id, write) = (request.id, request.write.unwrap_or_default());
    let hash = Passwords::default().hash(Secret::new(request.password)).await;
    let set = move |tx: &mut Tx<'_>| {
        // Without the password: from a fast digest of it in the trail it could be guessed.
        let request = audit::Request::new(User::NOUN, Verb::SetPassword, &[id.as_bytes()], &write);
        if let Some(answer) = request.earlier_answer(tx)? {
            return Ok(answer);
        }
        let now = tx.now;
        let learn = |user: &mut User| user.password_set_at = Some(now);
        let Changed { saved, before, after } = changed::<User>(tx, &id, &write, learn)?;
        if !write.validate_only {
            User::update(tx.conn, &saved)?;
            rows::save_password(tx.conn, saved.id.uuid(), &hash)?;
            rows::delete_of_holder(tx.conn, saved.id.uuid())?;
            request.note(tx, &saved, Some(&before), Some(&after))?;
            let detail = &write.message;
            say(tx, &saved, Told { name: "user.password-set", change: Change::Updated, detail })?;
        }
        Ok(after)
    };
    region.write_at(actor, set).await
}
