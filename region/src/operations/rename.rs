//! Keys are made of other keys, and resources are shown with the keys of those that they name: a new key goes down to all of them, as an event each.

use common::Id;
use proto::v1::Change;
use uuid::Uuid;

use super::{
    OperationError, Tx, names_of, naming,
    write::{Told, say},
};
use crate::{
    db::{
        condition::Condition,
        stored::{Query, Saved},
    },
    resources::Resource,
};

pub(super) fn rename_those_that_name<R: Resource>(
    tx: &mut Tx<'_>,
    id: Id<R>,
) -> Result<(), OperationError> {
    naming(R::NOUN).try_for_each(|(other, field)| other.rekey(tx, field, id.uuid()))
}

/// Each row whose `column` names what was renamed.
pub(crate) fn rekey<R: Resource>(
    tx: &mut Tx<'_>,
    column: &'static str,
    named: Uuid,
) -> Result<(), OperationError> {
    let those = Condition::equal(column, named.as_bytes().to_vec());
    for old in R::load(tx.conn, Query::all(vec![those]))? {
        let key = old.value.key(&names_of(tx.conn, &old.value)?);
        let renamed = key != old.key;
        let saved = Saved { key, revision: old.revision + 1, updated_at: tx.now.micros(), ..old };
        R::update(tx.conn, &saved)?;
        let name = format!("{}.updated", R::NOUN);
        let detail = format!("its {column} was renamed").replace('_', " ");
        say(tx, &saved, Told { name: &name, change: Change::Updated, detail: &detail })?;
        if renamed {
            rename_those_that_name::<R>(tx, saved.id)?;
        }
    }
    Ok(())
}
