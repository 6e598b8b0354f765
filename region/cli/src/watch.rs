//! A list that goes on: a snapshot, then each change.

use prost_reflect::DynamicMessage;
use proto::v1::Change;
use tokio_stream::StreamExt;

use crate::{
    failure::Exit,
    grammar,
    output::{Form, Shape},
    region::{Fill, Read, method_of},
    verbs::Task,
};

pub(crate) async fn run(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let method = method_of(task.kind, "Watch")?;
    let mut request = DynamicMessage::new(method.input());
    request
        .text("cursor", &grammar::word(task.arguments, "cursor"))
        .text("filter", &grammar::word(task.arguments, "filter"));
    let mut events = task.client.stream(&method, request).await?;
    let columns = shape.columns();
    while let Some(event) = events.next().await {
        let event = event?;
        let number = event.get_field_by_name("change").and_then(|change| change.as_enum_number());
        let change = number.and_then(|number| Change::try_from(number).ok()).unwrap_or_default();
        let Some(item) = event.message_of("item") else { continue };
        let word = change.as_str_name().trim_start_matches("CHANGE_").to_lowercase();
        let line = match shape.form {
            Form::Table | Form::Wide => {
                format!("{word:<8}  {}\n", shape.row(&columns, &item).join("  "))
            }
            Form::Json | Form::Yaml | Form::Fields(_) => {
                let cursor = event.text_of("cursor");
                let value = shape.value(&item)?;
                serde_json::json!({ "cursor": cursor, "change": word, "item": value }).to_string()
                    + "\n"
            }
        };
        task.screen.print(&line)?;
    }
    Ok(Exit::Done)
}
