//! Flags into a message.

use clap::ArgMatches;
use prost_reflect::{DynamicMessage, Value};
use proto::{
    describe::{Field, Kind},
    v1,
};

use crate::{failure::Failure, grammar};

/// What the flags say, and which fields they name. Every bad flag is told, not the first.
pub(crate) fn item(
    kind: &'static Kind,
    arguments: &ArgMatches,
) -> anyhow::Result<(DynamicMessage, Vec<String>)> {
    let mut wrong = Vec::new();
    let mut given = flags(kind, arguments);
    for pair in arguments.try_get_many::<String>("set").ok().flatten().into_iter().flatten() {
        match set(kind, pair) {
            Ok(pair) => given.push(pair),
            Err(rule) => wrong.push(rule),
        }
    }
    let (mut item, mut mask) = (DynamicMessage::new(kind.message.clone()), Vec::new());
    for (field, text) in given {
        mask.push(field.name.clone());
        match meant(field, text).and_then(|text| value(field, &text)) {
            Ok(value) => item.set_field(&field.descriptor, value),
            Err(rule) => wrong.push(rule),
        }
    }
    if wrong.is_empty() { Ok((item, mask)) } else { Err(Failure::usage(wrong.join("\n  "))) }
}

fn value(field: &Field, text: &str) -> Result<Value, String> {
    field.parse(text).map_err(|rule| format!("{}: {text:?} {rule}", field.name))
}

/// Of a text of several lines, @FILE is what is in the file; @- is standard input.
fn meant(field: &Field, text: String) -> Result<String, String> {
    let Some(file) = text.strip_prefix('@').filter(|_| field.text) else { return Ok(text) };
    let read = if file == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| format!("{}: {file:?} cannot be read: {error}", field.name))
}

/// What the flags say that Create takes beside the resource.
pub(crate) fn beside_create(
    kind: &Kind,
    arguments: &ArgMatches,
) -> anyhow::Result<Vec<(String, Value)>> {
    let (mut given, mut wrong) = (Vec::new(), Vec::new());
    for field in kind.beside_create() {
        let Some(text) = grammar::typed::<String>(arguments, &field.name) else { continue };
        match value(&field, &text) {
            Ok(value) => given.push((field.name, value)),
            Err(rule) => wrong.push(rule),
        }
    }
    if wrong.is_empty() { Ok(given) } else { Err(Failure::usage(wrong.join("\n  "))) }
}

fn flags(kind: &'static Kind, arguments: &ArgMatches) -> Vec<(&'static Field, String)> {
    let values = |field: &'static Field| {
        let values = arguments.try_get_many::<String>(&field.name).ok()??;
        // A line each: an element may hold commas.
        Some((field, values.map(String::as_str).collect::<Vec<_>>().join("\n")))
    };
    let name = grammar::typed::<String>(arguments, grammar::NAME_WORD);
    let name = name.and_then(|name| Some((kind.field("name")?, name)));
    name.into_iter().chain(kind.settable().filter_map(values)).collect()
}

fn set(kind: &'static Kind, pair: &str) -> Result<(&'static Field, String), String> {
    let (name, value) =
        pair.split_once('=').ok_or_else(|| format!("--set {pair}: must be FIELD=VALUE"))?;
    let underscored = name.replace('-', "_");
    let field = kind.settable().find(|field| field.name == underscored).ok_or_else(|| {
        let names: Vec<&str> = kind.settable().map(|field| field.name.as_str()).collect();
        let what = if kind.field(&underscored).is_some() {
            format!("is set by region; these can be set: {}", names.join(", "))
        } else {
            format!("a {} has no such field; these can be set: {}", kind.noun, names.join(", "))
        };
        format!("--set {name}: {what}")
    })?;
    Ok((field, value.to_owned()))
}

pub(crate) fn write(arguments: &ArgMatches) -> v1::Write {
    v1::Write {
        request_id: grammar::typed(arguments, "request_id")
            .unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
        message: grammar::word(arguments, "message"),
        expected_revision: grammar::typed(arguments, "revision").unwrap_or_default(),
        validate_only: grammar::typed(arguments, "dry_run").unwrap_or_default(),
    }
}
