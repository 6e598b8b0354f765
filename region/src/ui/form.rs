//! The form of any kind: inputs, hints and examples are the contract's, objections stand beside their fields and on top.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use common::Objection;
use prost_reflect::DynamicMessage;
use proto::{
    describe::{Field, Kind, meta},
    v1,
};
use std::collections::HashMap;
use uuid::Uuid;

use super::{
    Console, Fault,
    frame::{self, Frame},
    history::Line,
    query::Typed,
    visitor::Visitor,
    words,
};
use crate::{
    operations::{OperationError, Tx, erased::AnyResource},
    resources,
};

/// What a form is about, and what became of it when it was sent.
pub(super) struct Draft<'a> {
    pub(super) resource: &'static dyn AnyResource,
    /// None: a new one.
    pub(super) item: Option<&'a DynamicMessage>,
    /// Wins over what is saved: nothing that a person typed is lost.
    pub(super) typed: &'a Typed,
    pub(super) objections: &'a [Objection],
    /// Since the form was opened somebody else changed these.
    pub(super) moved: Option<Moved>,
}

pub(super) struct Moved {
    pub(super) expected: i64,
    pub(super) actual: i64,
    pub(super) by: String,
    pub(super) lines: Vec<Line>,
}

struct Input {
    name: String,
    label: String,
    about: String,
    example: String,
    value: String,
    required: bool,
    shape: Shape,
    choices: Vec<String>,
    errors: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Line,
    Text,
    Switch,
    /// Given once, at creation.
    Fixed,
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    frame: Frame,
    title: String,
    about: &'a str,
    inputs: Vec<Input>,
    objections: Vec<(String, &'a Objection)>,
    moved: Option<Moved>,
    message: String,
    revision: String,
    request_id: String,
    action: &'static str,
    submit: String,
    back: String,
    is_new: bool,
}

pub(super) async fn show(
    console: &Console,
    visitor: &Visitor,
    draft: Draft<'_>,
) -> Result<Response, Fault> {
    let resource = draft.resource;
    let choices =
        console.region.read(&visitor.actor, move |tx| choices(tx, resource.kind())).await?;
    let kind = resource.kind();
    let beside = if draft.item.is_none() { kind.beside_create() } else { Vec::new() };
    let inputs = kind.settable().chain(&beside);
    let inputs = inputs.map(|field| input(field, &draft, &choices)).collect();
    let objections = draft.objections.iter();
    let objections = objections.map(|objection| (words::label(&objection.field), objection));
    let list = format!("/{}", kind.plural);
    let key = draft.item.map(|item| meta(item, "key"));
    let page = key.as_ref().map_or(list.clone(), |key| super::cells::page_of(&kind.noun, key));
    let title = match &key {
        Some(key) => format!("Edit {key}"),
        None => format!("New {}", words::noun(&kind.noun)),
    };
    let mut crumbs = vec![(words::label(&kind.plural), list)];
    crumbs.extend(key.iter().map(|key| (key.clone(), page.clone())));
    crumbs.push((if key.is_some() { "Edit".into() } else { title.clone() }, String::new()));
    let crumbs: Vec<_> = crumbs.iter().map(|(name, to)| (name.as_str(), to.as_str())).collect();
    let verb = if key.is_some() { "update" } else { "create" };
    let command = format!("hostler {} {verb} --help", kind.spoken());
    let frame = Frame::new(visitor, &crumbs, console.region.clock.now()).command(command);
    let saved = draft.item.map(|item| meta(item, "revision")).unwrap_or_default();
    let word = |name: &str| draft.typed.get(name).map(str::to_owned);
    // After a conflict the next try is against what stands there now, which the form then shows.
    let revision = match &draft.moved {
        Some(moved) => moved.actual.to_string(),
        None => word("revision").unwrap_or(saved),
    };
    let page = FormPage {
        frame,
        title,
        about: &kind.about,
        inputs,
        objections: objections.collect(),
        message: word("message").unwrap_or_default(),
        revision,
        // Sent twice, saved once.
        request_id: word("request_id").unwrap_or_else(|| Uuid::now_v7().to_string()),
        action: if key.is_some() { "preview" } else { "create" },
        submit: if key.is_some() {
            "Preview change".into()
        } else {
            format!("Create {}", words::noun(&kind.noun))
        },
        back: page,
        is_new: key.is_none(),
        moved: draft.moved,
    };
    let status = match (&page.moved, page.objections.is_empty()) {
        (Some(_), _) => StatusCode::CONFLICT,
        (None, false) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, true) => StatusCode::OK,
    };
    frame::render_as(status, &page)
}

fn input(field: &Field, draft: &Draft<'_>, choices: &HashMap<String, Vec<String>>) -> Input {
    let saved = draft.item.map(|item| as_typed(field, item));
    let about = draft.objections.iter();
    let errors = about.filter(|objection| root(&objection.field) == field.name);
    Input {
        name: field.name.clone(),
        label: words::label(&field.name),
        about: field.about.clone(),
        example: field.example.clone(),
        value: draft.typed.get(&field.name).map(str::to_owned).or(saved).unwrap_or_default(),
        required: field.required,
        shape: match field {
            _ if field.fixed && draft.item.is_some() => Shape::Fixed,
            _ if field.is_switch() => Shape::Switch,
            _ if field.verbatim || field.text || field.name == "note" => Shape::Text,
            _ => Shape::Line,
        },
        choices: choices.get(&field.name).cloned().unwrap_or_default(),
        errors: errors
            .map(|objection| match objection.value.as_str() {
                "" => objection.rule.clone(),
                value => format!("{value} {}", objection.rule),
            })
            .collect(),
    }
}

/// `dns_servers[1]` is about `dns_servers`.
fn root(field: &str) -> &str {
    field.split(['[', '.']).next().unwrap_or(field)
}

/// A value as the form takes it back. Zero of a number is what nobody gave.
fn as_typed(field: &Field, item: &DynamicMessage) -> String {
    let value = item.get_field(&field.descriptor);
    match value.as_list() {
        Some(values) if field.verbatim => {
            values.iter().map(proto::describe::show).collect::<Vec<_>>().join("\n")
        }
        _ if matches!(*value, prost_reflect::Value::U32(0)) && field.name != "vid" => String::new(),
        _ => field.show(item),
    }
}

/// What of a form its person changed: the rest of it, as it was `opened`, must not take back what somebody else saved meanwhile.
pub(super) fn changed(kind: &Kind, typed: &Typed, opened: &DynamicMessage) -> Typed {
    typed.without(|name, text| {
        let mut fields = kind.settable();
        fields.any(|field| field.name == name && as_typed(field, opened) == text)
    })
}

/// A form as a message, and the fields that it has.
pub(super) fn message(
    kind: &Kind,
    typed: &Typed,
) -> Result<(DynamicMessage, Vec<String>), Vec<Objection>> {
    let (mut item, mut mask, mut objections) =
        (DynamicMessage::new(kind.message.clone()), Vec::new(), Vec::new());
    for (field, text) in kind.settable().filter_map(|field| Some((field, typed.get(&field.name)?)))
    {
        match field.parse(text) {
            Ok(value) => {
                item.set_field(&field.descriptor, value);
                mask.push(field.name.clone());
            }
            // Of a list, the rule says which of its values it is about.
            Err(rule) if rule.starts_with('"') => {
                objections.push(Objection::new(&field.name, "", rule));
            }
            Err(rule) => objections.push(Objection::new(&field.name, text, rule)),
        }
    }
    if objections.is_empty() { Ok((item, mask)) } else { Err(objections) }
}

/// Past this many one types, and a wrong name is refused with the way to find the right one.
const CHOICES: i32 = 200;

/// The keys that each reference of the form may have.
fn choices(
    tx: &mut Tx<'_>,
    kind: &'static Kind,
) -> Result<HashMap<String, Vec<String>>, OperationError> {
    let mut choices = HashMap::new();
    for (noun, field) in kind.references() {
        let Some(other) = resources::by_noun(noun) else { continue };
        let page = other.list(tx, &v1::ListRequest { page_size: CHOICES, ..Default::default() })?;
        let keys = page.items.iter().map(|item| meta(item, "key")).collect();
        choices.insert(field.to_owned(), keys);
    }
    Ok(choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objection_stands_beside_its_field() {
        for (field, expected) in
            [("gateway", "gateway"), ("dns_servers[1]", "dns_servers"), ("options.6", "options")]
        {
            assert_eq!(root(field), expected);
        }
    }
}
