//! How a resource came to be what it is: one entry for each change, newest first.

use common::Timestamp;
use prost_reflect::DynamicMessage;
use proto::describe::{Kind, meta};

use super::words::{self, Moment};
use crate::operations::{OperationError, Tx, audit};

pub(super) struct Change {
    pub(super) at: Moment,
    pub(super) actor: String,
    pub(super) verb: String,
    pub(super) message: String,
    pub(super) lines: Vec<Line>,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) field: String,
    pub(super) before: String,
    pub(super) after: String,
}

const NEWEST: i64 = 20;

pub(super) fn of(
    tx: &mut Tx<'_>,
    kind: &Kind,
    item: &DynamicMessage,
    now: Timestamp,
) -> Result<Vec<Change>, OperationError> {
    let object = meta(item, "id").parse().unwrap_or_default();
    let changes = audit::history(tx.conn, object, NEWEST)?;
    Ok(changes.iter().map(|change| shown(kind, change, now)).collect())
}

pub(super) fn shown(kind: &Kind, change: &audit::Change, now: Timestamp) -> Change {
    let lines = match (message(kind, &change.before), message(kind, &change.after)) {
        (Some(before), Some(after)) => difference(kind, &before, &after),
        _ => Vec::new(),
    };
    Change {
        at: Moment::clock(Timestamp::from_micros(change.at), now),
        actor: change.actor.clone(),
        verb: past(&change.verb),
        message: change.message.clone(),
        lines,
    }
}

pub(super) fn message(kind: &Kind, bytes: &[u8]) -> Option<DynamicMessage> {
    if bytes.is_empty() {
        return None;
    }
    DynamicMessage::decode(kind.message.clone(), bytes).ok()
}

pub(super) fn difference(
    kind: &Kind,
    before: &DynamicMessage,
    after: &DynamicMessage,
) -> Vec<Line> {
    kind.fields
        .iter()
        .filter(|field| !field.secret)
        .map(|field| Line {
            field: words::label(&field.name),
            before: field.show(before),
            after: field.show(after),
        })
        .filter(|line| line.before != line.after)
        .collect()
}

fn past(verb: &str) -> String {
    match verb {
        "create" => "created".into(),
        "update" => "changed".into(),
        "delete" => "deleted".into(),
        other => other.into(),
    }
}
