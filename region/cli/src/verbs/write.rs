//! Create, update, delete.

use prost_reflect::DynamicMessage;
use proto::{describe::meta, v1};

use super::{Task, grave, secret, typed, wait};
use crate::{
    failure::{Exit, Failure},
    grammar,
    output::Shape,
    region::{Answer, Fill},
};

pub(crate) async fn create(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let (item, _) = typed::item(task.kind, task.arguments)?;
    let beside = typed::beside_create(task.kind, task.arguments)?;
    let write = typed::write(task.arguments);
    let answer = task
        .client
        .call(task.kind, "Create", |request| {
            for (name, value) in beside {
                request.set_field_by_name(&name, value);
            }
            request.message("item", item).write(&write)
        })
        .await?;
    task.screen.print(&shape.one(&answer.item)?)?;
    if let Some(hint) = secret::hint(task.kind, &answer.item, task.client.server())
        && !write.validate_only
    {
        eprintln!("{hint}");
    }
    wait::after(&mut task.client, task.arguments, &answer).await
}

pub(crate) async fn update(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let (item, mask) = typed::item(task.kind, task.arguments)?;
    if mask.is_empty() {
        return Err(Failure::usage(
            "nothing to change: give a field's own flag, or --set FIELD=VALUE",
        ));
    }
    change(task, item, &mask).await
}

/// `hostler machine boot-as`: an update of that one field, emptied for the region's default.
pub(crate) async fn boot_as(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let mut item = DynamicMessage::new(task.kind.message.clone());
    item.text("boot_profile", &grammar::word(task.arguments, "boot_profile"));
    change(task, item, &["boot_profile".to_owned()]).await
}

async fn change(
    task: &mut Task<'_>,
    item: DynamicMessage,
    mask: &[String],
) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let (id, write) = (grammar::word(task.arguments, "id"), typed::write(task.arguments));
    let answer = task
        .client
        .call(task.kind, "Update", |request| {
            request.text("id", &id).message("item", item).mask(mask).write(&write)
        })
        .await?;
    task.screen.print(&shape.one(&answer.item)?)?;
    wait::after(&mut task.client, task.arguments, &answer).await
}

pub(crate) async fn delete(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let found = task.client.get(task.kind, &grammar::word(task.arguments, "id")).await?;
    let (id, key, noun) = (meta(&found, "id"), meta(&found, "key"), &task.kind.noun);
    let write = typed::write(task.arguments);
    if write.validate_only {
        send(task, &id, &write).await?;
        task.screen.print(&format!("{noun} {key} could be deleted\n"))?;
        return Ok(Exit::Done);
    }
    if grave::asks(task, "delete") {
        // What would be refused need not be asked about.
        let judged = v1::Write { validate_only: true, request_id: String::new(), ..write.clone() };
        send(task, &id, &judged).await?;
        grave::ask(task, "delete", &found).await?;
    }
    let answer = send(task, &id, &write).await?;
    task.screen.print(&format!("{noun} {key} deleted\n"))?;
    wait::after(&mut task.client, task.arguments, &answer).await
}

async fn send(task: &mut Task<'_>, id: &str, write: &v1::Write) -> anyhow::Result<Answer> {
    task.client.call(task.kind, "Delete", |request| request.text("id", id).write(write)).await
}
