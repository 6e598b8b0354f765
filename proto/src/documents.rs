//! Files that `apply` takes: YAML, of which JSON is a part, with one document for each resource: its kind and its fields.

use prost::Message;
use prost_reflect::DynamicMessage;
use serde::Deserialize;
use serde_yaml_ng::{Deserializer, Error, Mapping, Value};

use crate::{
    describe::{self, KINDS, Kind},
    v1,
};

/// One document and where in the file it stands.
pub struct Placed {
    pub document: v1::Document,
    pub kind: &'static Kind,
    /// Of its first word, from 1.
    line: usize,
    fields: Vec<(String, usize)>,
}

impl Placed {
    /// Where this field is given; the document's own line where it is not.
    pub fn line_of(&self, field: &str) -> usize {
        let root = field.split(['[', '.']).next().unwrap_or(field);
        let found = self.fields.iter().find(|(name, _)| name == root);
        found.map_or(self.line, |(_, line)| *line)
    }
}

/// What an objection to a file is about: `documents[3].cidr` is a field of the fourth.
pub fn about<'a>(placed: &'a [Placed], path: &'a str) -> Option<(&'a Placed, &'a str)> {
    let (number, field) = path.strip_prefix("documents[")?.split_once("].")?;
    Some((placed.get(number.parse::<usize>().ok()?)?, field))
}

/// Why a document cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("document {number}, line {line}: {said}")]
pub struct Unreadable {
    pub number: usize,
    pub line: usize,
    pub said: String,
}

/// Every document that cannot be read is told, not the first.
pub fn read(text: &str) -> Result<Vec<Placed>, Vec<Unreadable>> {
    let (mut documents, mut wrong) = (Vec::new(), Vec::new());
    for (place, source) in sources(text).into_iter().enumerate() {
        match source.read() {
            Ok(document) => documents.extend(document),
            Err((line, said)) => wrong.push(Unreadable { number: place + 1, line, said }),
        }
    }
    if wrong.is_empty() { Ok(documents) } else { Err(wrong) }
}

/// A document's text, and how many lines of the file are before it.
struct Source<'a> {
    text: &'a str,
    before: usize,
}

/// A line that begins with three dashes begins a document wherever it stands (YAML 1.2.2, 9.1.2); what is empty between two of them is none.
fn sources(text: &str) -> Vec<Source<'_>> {
    let (mut found, mut begin, mut before, mut at) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---");
        if number > 0
            && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
        {
            found.push(Source { text: &text[begin..at], before });
            (begin, before) = (at, number);
        }
        at += line.len();
    }
    found.push(Source { text: &text[begin..], before });
    found.retain(|source| source.content().next().is_some());
    found
}

/// The line that it is about, and what is wrong there.
type Wrong = (usize, String);

impl Source<'_> {
    /// Lines that say something, each with its number in the file.
    fn content(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        let lines = lines
            .map(|(place, line)| (self.before + place + 1, line.trim_start_matches("---").trim()));
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', '%']))
    }

    fn line(&self) -> usize {
        self.content().next().map_or(self.before + 1, |(line, _)| line)
    }

    fn line_of(&self, field: &str) -> usize {
        let gives = |line: &str| {
            let line = line.trim_start_matches(['{', ' ', ',', '"', '\'']);
            line.strip_prefix(field)
                .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        };
        self.content().find(|(_, line)| gives(line)).map_or_else(|| self.line(), |(line, _)| line)
    }

    fn read(&self) -> Result<Option<Placed>, Wrong> {
        let mapping = match Value::deserialize(Deserializer::from_str(self.text)) {
            Ok(Value::Null) => return Ok(None),
            Ok(Value::Mapping(mapping)) => mapping,
            Ok(
                Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Sequence(_)
                | Value::Tagged(_),
            ) => {
                return Err((self.line(), "must be a mapping with a kind".into()));
            }
            Err(error) => return Err(self.not_yaml(&error)),
        };
        self.document(mapping).map(Some)
    }

    fn not_yaml(&self, error: &Error) -> Wrong {
        let line = error.location().map_or_else(|| self.line(), |at| self.before + at.line());
        // It counts from the beginning of this document.
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or(&said);
        (line, format!("is no YAML: {said}"))
    }

    fn document(&self, mut mapping: Mapping) -> Result<Placed, Wrong> {
        let kind = self.kind(&mut mapping)?;
        let names = mapping.keys().filter_map(|key| key.as_str().map(str::to_owned));
        let fields: Vec<String> = names.collect();
        let can_be_set = |name: &&String| kind.settable().any(|field| field.name == **name);
        if let Some(other) = fields.iter().find(|name| !can_be_set(name)) {
            let names: Vec<&str> = kind.settable().map(|field| field.name.as_str()).collect();
            let (noun, names) = (&kind.noun, names.join(", "));
            let said = format!("{noun}: {other:?} is no field that can be set; these are: {names}");
            return Err((self.line_of(other), said));
        }
        let mut track = serde_path_to_error::Track::new();
        let read = DynamicMessage::deserialize(
            kind.message.clone(),
            serde_path_to_error::Deserializer::new(Value::Mapping(mapping), &mut track),
        );
        let item = read.map_err(|error| {
            let path = track.path().to_string();
            let root = path.split(['[', '.']).next().unwrap_or_default();
            (self.line_of(root), format!("{}: {path}: {error}", kind.noun))
        })?;
        let place = |name: &String| (name.clone(), self.line_of(name));
        Ok(Placed {
            kind,
            line: self.line(),
            fields: fields.iter().map(place).collect(),
            document: v1::Document {
                item: Some(prost_types::Any {
                    type_url: format!("type.googleapis.com/{}", kind.message.full_name()),
                    value: item.encode_to_vec(),
                }),
                fields,
            },
        })
    }

    fn kind(&self, mapping: &mut Mapping) -> Result<&'static Kind, Wrong> {
        let noun = mapping.shift_remove("kind").and_then(|kind| kind.as_str().map(str::to_owned));
        let noun = noun.ok_or_else(|| (self.line(), "has no kind".to_owned()))?;
        let line = || self.line_of("kind");
        let kind = describe::kind(&noun).ok_or_else(|| {
            let made = KINDS.iter().filter(|kind| kind.has("Create"));
            let nouns: Vec<&str> = made.map(|kind| kind.noun.as_str()).collect();
            (line(), format!("kind {noun:?} is none of: {}", nouns.join(", ")))
        })?;
        if kind.has("Create") {
            return Ok(kind);
        }
        Err((
            line(),
            format!("{} is not made by hand and cannot be in a file", kind.with_article()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_every_wrong_document_is_told() {
        for (text, expected) in [
            ("kind: fabric\nname: dc1\n---\nkind: fabric\nname: office\n", Ok(2)),
            ("---\n---\n# nothing\n---\nkind: fabric\nname: dc1\n", Ok(1)),
            ("{\"kind\": \"fabric\",\n \"name\": \"dc1\"}\n", Ok(1)),
            ("", Ok(0)),
            ("\nname: dc1\n", Err("document 1, line 2: has no kind")),
            ("kind: fabrik\n", Err("line 1: kind \"fabrik\" is none of: boot-default, ")),
            ("- kind: fabric\n", Err("must be a mapping with a kind")),
            ("kind: event\n", Err("an event is not made by hand")),
            (
                "kind: fabric\nname: dc1\n---\n# ten\nkind: vlan\nvid: ten\n",
                Err("document 2, line 6: vlan: vid:"),
            ),
            (
                "kind: fabric\nnam: dc1\n",
                Err("line 2: fabric: \"nam\" is no field that can be set; these are: name"),
            ),
            ("kind: a\n---\nkind: b\n", Err("document 2, line 3: kind \"b\"")),
            ("kind: fabric\nname: dc1\n---\nkind: fabric\n name: x\n", Err("line 5: is no YAML: ")),
        ] {
            match (read(text), expected) {
                (Ok(documents), Ok(count)) => assert_eq!(documents.len(), count, "{text}"),
                (Err(wrong), Err(said)) => {
                    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
                    assert!(wrong.iter().any(|one| one.contains(said)), "{text}: {wrong:?}");
                }
                (read, _) => panic!("{text}: {:?}", read.map(|documents| documents.len())),
            }
        }
    }

    #[test]
    fn only_what_the_file_says_is_sent_and_each_field_has_its_line() {
        let documents = read("---\nkind: fabric\n\nname: dc1\nnote: ''\n").unwrap();
        assert_eq!(documents[0].document.fields, ["name", "note"]);
        for (field, line) in [("name", 4), ("note[0]", 5), ("other", 2)] {
            assert_eq!(documents[0].line_of(field), line, "{field}");
        }
        for (path, field) in [
            ("documents[0].cidr[1]", Some("cidr[1]")),
            ("documents[1].cidr", None),
            ("documents[x].cidr", None),
            ("documents", None),
        ] {
            assert_eq!(about(&documents, path).map(|(_, field)| field), field, "{path}");
        }
    }
}
