//! List: every page, or as many as were asked for.

use super::Task;
use crate::{
    failure::Exit,
    grammar,
    output::{Form, Shape, events},
};

/// Of a log, a table shows its end: the rest may be millions.
const USUAL_EVENTS: usize = 100;
/// A log is read from above to below, whichever end of it was asked for.
const OLDEST_FIRST: &str = "at";
const NEWEST_FIRST: &str = "at desc";

pub(super) async fn run(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let for_people = matches!(shape.form, Form::Table | Form::Wide);
    let (filter, sort) =
        (grammar::word(task.arguments, "filter"), grammar::word(task.arguments, "sort"));
    let limit: Option<usize> = grammar::typed::<u32>(task.arguments, "limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let log = events::is(task.kind) && sort.is_empty();
    let limit = limit.or((log && for_people).then_some(USUAL_EVENTS));
    let order = match (log, limit) {
        (true, Some(_)) => NEWEST_FIRST,
        (true, None) => OLDEST_FIRST,
        (false, _) => sort.as_str(),
    };
    let (mut items, more) = task.client.list(task.kind, &filter, order, limit).await?;
    if log && limit.is_some() {
        items.reverse();
    }
    task.screen.print(&shape.many(&items)?)?;
    if for_people && items.is_empty() {
        eprintln!("no {}{}", task.kind.plural, if filter.is_empty() { "" } else { " like that" });
    }
    if more {
        let which = if log { "newest" } else { "first" };
        eprintln!("these are the {which} {}; --limit COUNT shows more", items.len());
    }
    Ok(Exit::Done)
}
