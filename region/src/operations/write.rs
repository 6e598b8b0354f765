//! Create, update, delete, and what region itself learns of a resource.

use common::{Id, Objection};
use prost::Message;
use proto::{
    masks,
    v1::{self, Change},
};
use uuid::Uuid;

use super::{
    OperationError, Tx, audit, find, judge, kind, naming, parse, rename::rename_those_that_name,
    show,
};
use crate::{
    auth::{Verb, authorise, may_see},
    db::{Conn, DbError, names, stored::Saved},
    events::{self, NewEvent},
    resources::{Namer, Resource},
};

pub fn create<R: Resource>(
    tx: &mut Tx<'_>,
    item: R::Wire,
    write: &v1::Write,
) -> Result<R::Wire, OperationError> {
    authorise(tx.actor, R::NOUN, Verb::Create)?;
    let request = audit::Request::new(R::NOUN, Verb::Create, &[&item.encode_to_vec()], write);
    match request.earlier_answer(tx)? {
        Some(answer) => Ok(answer),
        None => make::<R>(tx, item, &request),
    }
}

/// The same for a request that may ask for more, is authorised and was not answered before.
pub(super) fn make<R: Resource>(
    tx: &mut Tx<'_>,
    item: R::Wire,
    request: &audit::Request<'_>,
) -> Result<R::Wire, OperationError> {
    let item = masks::without_read_only(kind::<R>(), &item);
    let mut value = parse::<R>(tx.conn, item)?;
    value.begin(tx.now);
    let saved = first(tx, value)?;
    let after = show(tx.conn, &saved)?;
    if !request.validates_only() {
        R::insert(tx.conn, &saved)?;
        request.record(tx, &saved, None, Some(&after))?;
    }
    Ok(after)
}

/// As it shall be saved, judged, with all that it names locked.
fn first<R: Resource>(tx: &mut Tx<'_>, value: R) -> Result<Saved<R>, OperationError> {
    names::lock(tx.conn, value.references())?;
    let saved = Saved {
        id: Id::new(Uuid::now_v7()),
        key: String::new(),
        revision: 1,
        created_at: tx.now.micros(),
        updated_at: tx.now.micros(),
        value,
    };
    judge(tx.conn, saved)
}

pub fn update<R: Resource>(
    tx: &mut Tx<'_>,
    id: &str,
    item: R::Wire,
    mask: Option<&proto::FieldMask>,
    write: &v1::Write,
) -> Result<R::Wire, OperationError> {
    authorise(tx.actor, R::NOUN, Verb::Update)?;
    let paths = mask.map(|mask| mask.paths.join(",")).unwrap_or_default();
    let asked = [id.as_bytes(), &item.encode_to_vec(), paths.as_bytes()];
    let request = audit::Request::new(R::NOUN, Verb::Update, &asked, write);
    if let Some(answer) = request.earlier_answer(tx)? {
        return Ok(answer);
    }
    let (old, before, value) = merged::<R>(tx, id, &item, mask, write)?;
    if value == old.value {
        return Ok(before);
    }
    let (revision, updated_at) = (old.revision + 1, tx.now.micros());
    let saved = judge(tx.conn, Saved { revision, updated_at, value, ..old.clone() })?;
    let after = show(tx.conn, &saved)?;
    if !write.validate_only {
        R::update(tx.conn, &saved)?;
        request.record(tx, &saved, Some(&before), Some(&after))?;
        if saved.key != old.key {
            rename_those_that_name::<R>(tx, saved.id)?;
        }
    }
    Ok(after)
}

/// The row as it is, how it is shown, and what it shall be; it is locked with all that it names before and after.
fn merged<R: Resource>(
    tx: &mut Tx<'_>,
    id: &str,
    item: &R::Wire,
    mask: Option<&proto::FieldMask>,
    write: &v1::Write,
) -> Result<(Saved<R>, R::Wire, R), OperationError> {
    let mut old = find::<R>(tx.conn, id)?;
    loop {
        let before = show(tx.conn, &old)?;
        let merged = masks::merge(kind::<R>(), &before, item, mask).map_err(|refused| {
            let object = |one: masks::Refused| Objection::new(&one.path, one.value, one.rule);
            OperationError::Refused(refused.into_iter().map(object).collect())
        })?;
        let value = parse::<R>(tx.conn, merged)?;
        // Together and sorted: two that move in opposite directions do not wait for each other.
        let mut rows = vec![(R::TABLE, old.id.uuid())];
        rows.extend(old.value.references());
        rows.extend(value.references());
        names::lock(tx.conn, rows)?;
        let locked = find::<R>(tx.conn, &old.id.to_string())?;
        if locked.revision == old.revision {
            expect(&old, write)?;
            return Ok((old, before, value));
        }
        old = locked;
    }
}

pub(super) fn expect<R: Resource>(old: &Saved<R>, write: &v1::Write) -> Result<(), OperationError> {
    let (expected, actual) = (write.expected_revision, old.revision);
    if expected == 0 || expected == actual {
        return Ok(());
    }
    Err(OperationError::Stale { noun: R::NOUN, key: old.key.clone(), expected, actual })
}

/// By id or key, held still with all that it names until the transaction ends.
fn lock<R: Resource>(tx: &mut Tx<'_>, id: &str) -> Result<Saved<R>, OperationError> {
    let seen = find::<R>(tx.conn, id)?;
    let mut rows = seen.value.references();
    rows.push((R::TABLE, seen.id.uuid()));
    names::lock(tx.conn, rows)?;
    find::<R>(tx.conn, &seen.id.to_string())
}

pub fn delete<R: Resource>(
    tx: &mut Tx<'_>,
    id: &str,
    write: &v1::Write,
) -> Result<(), OperationError> {
    authorise(tx.actor, R::NOUN, Verb::Delete)?;
    let request = audit::Request::new(R::NOUN, Verb::Delete, &[id.as_bytes()], write);
    if request.earlier_answer::<R::Wire>(tx)?.is_some() {
        return Ok(());
    }
    let old = lock::<R>(tx, id)?;
    expect(&old, write)?;
    let users = namers(tx.conn, &old)?;
    if !users.is_empty() {
        let users = users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(OperationError::InUse { noun: R::NOUN, key: old.key, users });
    }
    let before = show(tx.conn, &old)?;
    if !write.validate_only {
        R::delete(tx.conn, old.id)?;
        R::forget(old.id, tx.conn)?;
        request.record(tx, &Saved { revision: old.revision + 1, ..old }, Some(&before), None)?;
    }
    Ok(())
}

/// What names it, for which it would not be deleted now: a few of each kind that this actor may read.
pub fn named_by<R: Resource>(tx: &mut Tx<'_>, id: &str) -> Result<Vec<Namer>, OperationError> {
    authorise(tx.actor, R::NOUN, Verb::Get)?;
    let saved = find::<R>(tx.conn, id)?;
    let mut namers = namers(tx.conn, &saved)?;
    namers.retain(|namer| may_see(tx.actor, namer.noun));
    Ok(namers)
}

fn namers<R: Resource>(conn: &mut Conn, saved: &Saved<R>) -> Result<Vec<Namer>, DbError> {
    let mut namers = saved.value.named_by(conn)?;
    for (other, field) in naming(R::NOUN) {
        let keys = names::naming(conn, other.table(), field, saved.id.uuid())?.into_iter();
        namers.extend(keys.map(|key| Namer { noun: &other.kind().noun, key }));
    }
    Ok(namers)
}

/// A resource before and after a verb of its own, which says what it records.
pub(super) struct Changed<R: Resource> {
    pub(super) saved: Saved<R>,
    pub(super) before: R::Wire,
    pub(super) after: R::Wire,
}

/// Locked, and at the revision that was expected. Nothing is written yet.
pub(super) fn changed<R: Resource>(
    tx: &mut Tx<'_>,
    id: &str,
    write: &v1::Write,
    change: impl FnOnce(&mut R),
) -> Result<Changed<R>, OperationError> {
    let old = lock::<R>(tx, id)?;
    expect(&old, write)?;
    let before = show(tx.conn, &old)?;
    let mut saved = Saved { revision: old.revision + 1, updated_at: tx.now.micros(), ..old };
    change(&mut saved.value);
    let after = show(tx.conn, &saved)?;
    Ok(Changed { saved, before, after })
}

/// What region itself makes, such as a rack that joins: an event of its own name, no audit row. It is judged all the same.
pub fn adopt<R: Resource>(
    tx: &mut Tx<'_>,
    value: R,
    name: &str,
    detail: &str,
) -> Result<Saved<R>, OperationError> {
    let saved = first(tx, value)?;
    R::insert(tx.conn, &saved)?;
    say(tx, &saved, Told { name, change: Change::Created, detail })?;
    Ok(saved)
}

/// What region itself learnt of a resource, such as that a rack is connected: an event of its own name, no audit row. None: nothing is new.
pub fn observe<R: Resource>(
    tx: &mut Tx<'_>,
    id: Id<R>,
    name: &str,
    detail: &str,
    learn: impl FnOnce(&mut R),
) -> Result<Option<Saved<R>>, OperationError> {
    names::lock(tx.conn, vec![(R::TABLE, id.uuid())])?;
    let old = find::<R>(tx.conn, &id.to_string())?;
    let mut saved =
        Saved { revision: old.revision + 1, updated_at: tx.now.micros(), ..old.clone() };
    learn(&mut saved.value);
    if saved.value == old.value {
        return Ok(None);
    }
    R::update(tx.conn, &saved)?;
    say(tx, &saved, Told { name, change: Change::Updated, detail })?;
    Ok(Some(saved))
}

pub(super) struct Told<'a> {
    pub(super) name: &'a str,
    pub(super) change: Change,
    pub(super) detail: &'a str,
}

pub(super) fn say<R: Resource>(
    tx: &mut Tx<'_>,
    saved: &Saved<R>,
    told: Told<'_>,
) -> Result<(), OperationError> {
    let shown = show(tx.conn, saved)?;
    let body = masks::without_secrets(kind::<R>(), &shown);
    event(tx, saved, told, &body.encode_to_vec())?;
    Ok(())
}

pub(super) fn event<R: Resource>(
    tx: &mut Tx<'_>,
    saved: &Saved<R>,
    told: Told<'_>,
    body: &[u8],
) -> Result<(), DbError> {
    let event = NewEvent {
        at: tx.now,
        name: told.name,
        change: told.change,
        kind: R::NOUN,
        object: Some(saved.id.uuid()),
        key: &saved.key,
        revision: saved.revision,
        actor: &tx.actor.name,
        detail: told.detail,
        body,
    };
    tx.cursor = Some(events::append(tx.conn, &event)?);
    Ok(())
}
