//! What goes when something is taken away: shown before it is asked for.

use prost_reflect::DynamicMessage;
use proto::describe::{KINDS, Kind, meta};
use tonic::Code;

use super::Task;
use crate::{ask, failure, grammar};

/// So many of a kind are named; more are counted.
const NAMED: usize = 5;

/// And no more than so many are looked for.
const MOST: usize = 1000;

struct Row {
    noun: &'static str,
    verb: &'static str,
    /// What happens, for the one who is asked.
    what: &'static str,
}

/// Verbs that take something away, beside the deletion that every kind may have.
const OWN: &[Row] = &[
    Row {
        noun: "rack",
        verb: "revoke",
        what: "its stream ends at once and its certificates are refused from then on. It goes on serving what it has until it is stopped. To come back it must be deleted here and join again",
    },
    Row {
        noun: "lease",
        verb: "release",
        what: "its address becomes free for others, while the client goes on using it until it renews",
    },
];

/// Whether a verb must be confirmed.
pub(crate) fn is(kind: &Kind, verb: &str) -> bool {
    verb == "delete" || OWN.iter().any(|row| row.noun == kind.noun && row.verb == verb)
}

/// Whether it asks here: not for verbs that take nothing away, nor where --yes or --dry-run was said.
pub(crate) fn asks(task: &Task<'_>, verb: &str) -> bool {
    let said = |flag| grammar::typed::<bool>(task.arguments, flag).unwrap_or_default();
    is(task.kind, verb) && !said("yes") && !said("dry_run")
}

/// Shows what goes, and asks.
pub(crate) async fn ask(
    task: &mut Task<'_>,
    verb: &str,
    item: &DynamicMessage,
) -> anyhow::Result<()> {
    if !asks(task, verb) {
        return Ok(());
    }
    let (noun, key) = (&task.kind.noun, meta(item, "key"));
    let mut text = format!("This will {verb} {noun} {key}");
    match OWN.iter().find(|row| row.noun == noun && row.verb == verb) {
        Some(row) => text += &format!(": {}.", row.what),
        None => text.push('.'),
    }
    for (what, keys) in naming(task, &key).await? {
        text += &format!("\n  {}", named(&what, &keys));
    }
    ask::whether(&text, &format!("{verb} it"), "--yes")
}

/// The resources whose fields name this one, by kind.
async fn naming(task: &mut Task<'_>, key: &str) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut found = Vec::new();
    for kind in KINDS.iter() {
        for (_, field) in kind.references().filter(|(noun, _)| *noun == task.kind.noun) {
            let filter = format!("{field}={key}");
            let (items, more) = match task.client.list(kind, &filter, "", Some(MOST)).await {
                Ok(found) => found,
                // What one may not see cannot be shown; region judges by it all the same.
                Err(error) if is_denied(&error) => continue,
                Err(error) => return Err(error),
            };
            let keys: Vec<String> = items.iter().map(|item| meta(item, "key")).collect();
            if !keys.is_empty() {
                let noun = if keys.len() == 1 { &kind.noun } else { &kind.plural };
                let at_least = if more { "more than " } else { "" };
                found.push((format!("{at_least}{} {noun} by {field}", keys.len()), keys));
            }
        }
    }
    Ok(found)
}

fn is_denied(error: &anyhow::Error) -> bool {
    failure::status_of(error).is_some_and(|status| status.code() == Code::PermissionDenied)
}

fn named(what: &str, keys: &[String]) -> String {
    let shown: Vec<&str> = keys.iter().take(NAMED).map(String::as_str).collect();
    let more = if keys.len() > NAMED { ", .." } else { "" };
    format!("it is named by {what}: {}{more}", shown.join(", "))
}
