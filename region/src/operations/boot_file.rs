//! What only boot files do: they are named once their content is there, and content goes some time after its last name.

use common::{Id, Objection, Refusal, rack_config::boot::BootPath};
use plan::{
    BootFile,
    boot_file::{ByteCount, Sha256},
};
use proto::v1;
use uuid::Uuid;

use super::{OperationError, Tx, audit, judge, rack, show, write::expect};
use crate::{
    Region,
    auth::{Actor, Verb, authorise},
    boot_store::{Store, StoreError},
    db::{
        boot_files, names,
        stored::{Saved, Stored},
    },
    resources::{Resource, field::Field},
};

/// Of the policy table: the service that files come in by.
const SUBJECT: &str = "bootfilepush";

/// A push that may be made, as it was asked for.
#[derive(Clone, Debug)]
pub struct Push {
    pub path: BootPath,
    pub size: ByteCount,
    pub sha256: Sha256,
    pub offset: u64,
    pub note: Option<String>,
    pub write: v1::Write,
}

/// Which content is asked about.
pub fn judge_status(actor: &Actor, sha256: &str) -> Result<Sha256, OperationError> {
    authorise(actor, SUBJECT, Verb::PushStatus)?;
    sha256.parse().map_err(|refusal: Refusal| {
        OperationError::Refused(vec![Objection::new("sha256", sha256, refusal.0)])
    })
}

/// Before anything comes: every objection to it.
pub fn judge_push(actor: &Actor, begin: v1::PushBegin) -> Result<Push, OperationError> {
    authorise(actor, SUBJECT, Verb::Push)?;
    let mut objections = Vec::new();
    let mut object = |field, value: &str, refusal: Refusal| {
        objections.push(Objection::new(field, value, refusal.0));
    };
    let path = begin.path.parse().map_err(|refusal| object("path", &begin.path, refusal)).ok();
    let sha256 =
        begin.sha256.parse().map_err(|refusal| object("sha256", &begin.sha256, refusal)).ok();
    let size = begin.size.try_into();
    let size = size.map_err(|refusal| object("size", &begin.size.to_string(), refusal)).ok();
    let note = match begin.note {
        Some(note) => {
            let shown = note.clone();
            let parsed = String::parse(note, &mut crate::resources::field::Lookup::nowhere());
            parsed.map(Some).map_err(|refusal| object("note", &shown, refusal)).ok()
        }
        None => Some(None),
    };
    if begin.offset > begin.size {
        let rule = format!("must be at most {}, the size", begin.size);
        object("offset", &begin.offset.to_string(), Refusal::new(rule));
    }
    match (path, size, sha256, note) {
        (Some(path), Some(size), Some(sha256), Some(note)) if objections.is_empty() => {
            let (offset, write) = (begin.offset, begin.write.unwrap_or_default());
            Ok(Push { path, size, sha256, offset, note, write })
        }
        _ => Err(OperationError::Refused(objections)),
    }
}

/// Gives content that is there its path. Whoever reads the path sees the old content or the new, never neither.
pub fn name(tx: &mut Tx<'_>, push: &Push) -> Result<v1::PushResponse, OperationError> {
    authorise(tx.actor, SUBJECT, Verb::Push)?;
    let (path, content, note) = (push.path.as_str(), push.sha256.to_string(), &push.note);
    let asked = [path, &content, note.as_deref().unwrap_or_default()].map(str::as_bytes);
    let request = audit::Request::new(BootFile::NOUN, Verb::Push, &asked, &push.write);
    if let Some(item) = request.earlier_answer(tx)? {
        return Ok(v1::PushResponse { item: Some(item), unchanged: false });
    }
    let Some(id) = names::find(tx.conn, BootFile::TABLE, path)? else {
        let item = create(tx, push, request)?;
        return Ok(v1::PushResponse { item: Some(item), unchanged: false });
    };
    names::lock(tx.conn, vec![(BootFile::TABLE, id)])?;
    let old = super::find::<BootFile>(tx.conn, &id.to_string())?;
    expect(&old, &push.write)?;
    let before = show(tx.conn, &old)?;
    let note = push.note.clone().unwrap_or_else(|| old.value.note.clone());
    let value = BootFile { note, ..of(push) };
    if value == old.value {
        return Ok(v1::PushResponse { item: Some(before), unchanged: true });
    }
    let (revision, updated_at) = (old.revision + 1, tx.now.micros());
    let saved = judge(tx.conn, Saved { revision, updated_at, value, ..old })?;
    let after = show(tx.conn, &saved)?;
    if !push.write.validate_only {
        BootFile::update(tx.conn, &saved)?;
        request.recorded_as(Verb::Update).record(tx, &saved, Some(&before), Some(&after))?;
    }
    Ok(v1::PushResponse { item: Some(after), unchanged: false })
}

fn create(
    tx: &mut Tx<'_>,
    push: &Push,
    request: audit::Request<'_>,
) -> Result<v1::BootFile, OperationError> {
    let saved = Saved {
        id: Id::new(Uuid::now_v7()),
        key: String::new(),
        revision: 1,
        created_at: tx.now.micros(),
        updated_at: tx.now.micros(),
        value: of(push),
    };
    let saved = judge(tx.conn, saved)?;
    let after = show(tx.conn, &saved)?;
    if !push.write.validate_only {
        BootFile::insert(tx.conn, &saved)?;
        request.recorded_as(Verb::Create).record(tx, &saved, None, Some(&after))?;
    }
    Ok(after)
}

fn of(push: &Push) -> BootFile {
    BootFile {
        path: push.path.clone(),
        size: push.size,
        sha256: push.sha256,
        note: push.note.clone().unwrap_or_default(),
    }
}

/// Whether racks may have this content: it has a name.
pub async fn is_named(region: &Region, content: Sha256) -> Result<bool, OperationError> {
    let actor = rack::system();
    region.read(&actor, move |tx| Ok(boot_files::is_named(tx.conn, content)?)).await
}

#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Operation(#[from] OperationError),
}

/// Forgets what nothing names any more, and parts that no push went on with.
pub async fn collect(region: &Region, store: &Store) -> Result<(), CollectError> {
    let actor = rack::system();
    let named = region.read(&actor, |tx| Ok(boot_files::contents(tx.conn)?)).await?;
    for content in store.long_unused(&named, region.clock.now()).await? {
        // With the claim in hand nobody can begin to name it: the last look counts.
        let Some(claim) = store.claim_unused(content).await? else { continue };
        if is_named(region, content).await? {
            claim.release().await?;
            continue;
        }
        claim.forget().await?;
        tracing::info!(%content, "content that nothing names was removed");
    }
    let broken = store.forget_broken().await?;
    if broken > 0 {
        tracing::info!(broken, "parts that no push went on with were removed");
    }
    Ok(())
}
