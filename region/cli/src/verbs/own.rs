//! Verbs that one kind alone has: their names, flags and help are those of the method and its request.

use prost_reflect::{DynamicMessage, MethodDescriptor};
use proto::describe::{self, Field, Kind, meta};
use std::io::IsTerminal;

use super::{Task, grave, typed};
use crate::{
    ask,
    failure::{Exit, Failure},
    grammar,
    output::{self, Shape},
    region::Fill,
};

/// Fields of a request that have their own place on the command line.
const PLACED: [&str; 2] = ["id", "write"];

/// What can be said with the verb, besides whom it is about and what goes with every write.
pub(crate) fn parameters(method: &MethodDescriptor) -> Vec<Field> {
    let request = method.input();
    let fields = request.fields().filter(|field| !PLACED.contains(&field.name()));
    fields.map(Field::new).collect()
}

pub(crate) fn has(method: &MethodDescriptor, field: &str) -> bool {
    method.input().get_field_by_name(field).is_some()
}

pub(crate) fn method_of_verb(kind: &'static Kind, verb: &str) -> Option<MethodDescriptor> {
    grammar::own_methods(kind).find(|method| grammar::verb_of(method) == verb)
}

pub(super) async fn run(task: &mut Task<'_>, method: &MethodDescriptor) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let verb = grammar::verb_of(method);
    let mut request = DynamicMessage::new(method.input());
    fill(task, method, &mut request)?;
    let mut key = String::new();
    if has(method, "id") {
        let found = task.client.get(task.kind, &grammar::word(task.arguments, "id")).await?;
        key = meta(&found, "key");
        request.text("id", &meta(&found, "id"));
        grave::ask(task, &verb, &found).await?;
    }
    for field in parameters(method).iter().filter(|field| field.typed_secret) {
        request.text(&field.name, &secret(task, field)?);
    }
    let write = typed::write(task.arguments);
    if has(method, "write") {
        request.write(&write);
    }
    let answer = task.call(method, request).await?;
    let text = if method.output() == task.kind.message {
        shape.one(&answer.item)?
    } else if method.output().fields().next().is_none() {
        let could_be = if write.validate_only { "could be " } else { "" };
        format!("{} {key} {could_be}{}\n", task.kind.noun, past(&verb))
    } else {
        serde_yaml_ng::to_string(&output::json(&answer.item)?)?
    };
    task.screen.print(&text)?;
    Ok(Exit::Done)
}

/// `release` is `released`.
fn past(verb: &str) -> String {
    format!("{}ed", verb.strip_suffix('e').unwrap_or(verb))
}

fn fill(
    task: &Task<'_>,
    method: &MethodDescriptor,
    request: &mut DynamicMessage,
) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    for field in parameters(method).iter().filter(|field| !field.typed_secret) {
        let Some(text) = grammar::typed::<String>(task.arguments, &field.name) else { continue };
        match field.parse(&text) {
            Ok(value) => request.set_field(&field.descriptor, value),
            Err(rule) => wrong.push(format!("{}: {text:?} {rule}", field.name)),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::usage(wrong.join("\n  "))) }
}

/// From where it was said to come; without a word, from whoever sits there, twice, since nobody sees it.
fn secret(task: &Task<'_>, field: &Field) -> anyhow::Result<String> {
    let name = field.name.replace('_', "-");
    let by_flag = format!("{}_stdin", field.name);
    if grammar::typed::<bool>(task.arguments, &by_flag).unwrap_or_default() {
        let typed = ask::piped()?;
        return match typed.is_empty() {
            true => {
                Err(Failure::usage(format!("--{name}-stdin: there is nothing on standard input")))
            }
            false => Ok(typed),
        };
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "there is no terminal to ask for the {name} on; send it to --{name}-stdin"
        )));
    }
    let typed = ask::secret(&format!("New {name}: "))?;
    if ask::secret("Once more: ")? != typed {
        anyhow::bail!("these are two different ones; nothing was changed");
    }
    Ok(typed.trim_end_matches(['\r', '\n']).to_owned())
}

/// The help of a verb.
pub(crate) fn about(kind: &Kind, method: &MethodDescriptor) -> String {
    let said = describe::about_method(method);
    if said.is_empty() { format!("{} of a {}", grammar::verb_of(method), kind.noun) } else { said }
}
