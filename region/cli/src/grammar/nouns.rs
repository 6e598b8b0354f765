//! A noun and its verbs: those that all kinds share, and those that its service alone has.

use clap::Command;
use prost_reflect::MethodDescriptor;
use proto::describe::{self, Field, KINDS, Kind};

use super::{beside, flags};
use crate::verbs::{grave, own};

/// The verbs that every kind spells alike, with the words that people try instead.
const SHARED: [(&str, &[&str]); 6] = [
    ("List", &["ls"]),
    ("Get", &["show", "describe"]),
    ("Create", &["add", "new"]),
    ("Update", &["set", "edit", "change"]),
    ("Delete", &["rm", "remove"]),
    ("Watch", &["tail", "follow"]),
];

/// Those that stand by themselves; the others are among the commands of another.
pub(crate) fn all(grown: &dyn Fn(&Kind) -> bool) -> Vec<Command> {
    let kinds = KINDS.iter().filter(|kind| kind.under.is_empty());
    kinds.map(|kind| if grown(kind) { noun(kind) } else { bare_noun(kind) }).collect()
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
}

/// The kinds whose commands are among those of this one.
fn under(kind: &'static Kind) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(|other| other.under == kind.noun)
}

/// A kind by the words that name it, and the words after them.
pub(crate) fn kind_meant<'a>(words: &'a [&'a str]) -> Option<(&'static Kind, &'a [&'a str])> {
    let (first, rest) = words.split_first()?;
    let kind = describe::kind(first)?;
    let child = rest.first().and_then(|second| under(kind).find(|child| goes_by(child, second)));
    Some(child.map_or((kind, rest), |child| (child, &rest[1..])))
}

fn goes_by(kind: &'static Kind, word: &str) -> bool {
    kind.short() == word || format!("{}s", kind.short()) == word
}

/// A shared verb by its name or by a word that people try instead.
pub(crate) fn verb_meant(word: &str) -> Option<&'static str> {
    const NAMES: [&str; 6] = ["list", "get", "create", "update", "delete", "watch"];
    let rows = SHARED.iter().zip(NAMES);
    rows.into_iter()
        .find(|((_, others), name)| *name == word || others.contains(&word))
        .map(|(_, name)| name)
}

/// The methods of a kind that are none of those that all share.
pub(crate) fn own_methods(kind: &'static Kind) -> impl Iterator<Item = MethodDescriptor> {
    kind.service.methods().filter(|method| SHARED.iter().all(|(name, _)| *name != method.name()))
}

/// As it is typed: `EnableThis` is `enable-this`.
pub(crate) fn verb_of(method: &MethodDescriptor) -> String {
    let mut verb = String::new();
    for (place, letter) in method.name().char_indices() {
        if place > 0 && letter.is_ascii_uppercase() {
            verb.push('-');
        }
        verb.push(letter.to_ascii_lowercase());
    }
    verb
}

fn noun(kind: &'static Kind) -> Command {
    bare_noun(kind)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(kind.service.methods().map(|method| verb(kind, &method)))
        .subcommands(beside::of(kind))
        .subcommands(under(kind).map(noun))
}

fn bare_noun(kind: &'static Kind) -> Command {
    let plural =
        if kind.under.is_empty() { kind.plural.clone() } else { format!("{}s", kind.short()) };
    Command::new(kind.short())
        .about(first_sentence(&kind.about))
        .long_about(kind.about.as_str())
        .alias(plural)
        .disable_help_subcommand(true)
}

fn verb(kind: &'static Kind, method: &MethodDescriptor) -> Command {
    let name = method.name();
    let command = Command::new(verb_of(method));
    let command = match name {
        "List" => list(kind, command),
        "Get" => flags::showing(command.about(format!("Show one {}", kind.spoken())))
            .arg(flags::id(kind)),
        "Create" => create(kind, command),
        "Update" => update(kind, command),
        "Delete" => delete(kind, command),
        "Watch" => watch(kind, command),
        _ => own_verb(kind, method, command),
    };
    let others = SHARED.iter().find(|(shared, _)| *shared == name).map_or(&[][..], |row| row.1);
    command.aliases(others.iter().copied())
}

fn list(kind: &'static Kind, command: Command) -> Command {
    let command = command.about(format!("List {}", kind.plural.replace('-', " "))).args([
        flags::filter(),
        flags::sort(),
        flags::limit(),
    ]);
    if !kind.has("Watch") {
        return flags::showing(command);
    }
    let beginning = flags::beginning(kind).map(|flag| flag.requires("watch"));
    flags::showing(command.arg(flags::watch()).args(beginning))
}

fn watch(kind: &'static Kind, command: Command) -> Command {
    let command = command
        .about(format!("List {}, then each change as it happens", kind.plural.replace('-', " ")))
        .arg(flags::filter())
        .args(flags::beginning(kind));
    flags::showing(command)
}

fn create(kind: &'static Kind, command: Command) -> Command {
    let name = kind.settable().find(|field| field.name == "name");
    let others = kind.settable().filter(|field| field.name != "name");
    let command = command
        .about(format!("Create {}", kind.with_article()))
        .args(name.into_iter().flat_map(flags::name))
        .args(others.map(flags::of_field))
        .args(kind.beside_create().iter().map(flags::of_field));
    flags::showing(flags::writing(command))
}

fn update(kind: &'static Kind, command: Command) -> Command {
    let changing = kind.settable().filter(|field| !field.fixed);
    let command = command
        .about(format!("Change {}", kind.with_article()))
        .arg(flags::id(kind))
        .args(changing.map(|field| flags::of_field(field).required(false)))
        .arg(flags::set());
    flags::showing(flags::writing(command).arg(flags::revision()))
}

fn delete(kind: &'static Kind, command: Command) -> Command {
    let command = command.about(format!("Delete {}", kind.with_article())).arg(flags::id(kind));
    flags::writing(command).args([flags::revision(), flags::yes()])
}

fn own_verb(kind: &'static Kind, method: &MethodDescriptor, command: Command) -> Command {
    let about = own::about(kind, method);
    let mut command = command.about(first_sentence(&about).to_owned()).long_about(about);
    if own::has(method, "id") {
        command = command.arg(flags::id(kind));
    }
    let flag = |field: &Field| match field.typed_secret {
        true => flags::of_secret(field),
        false => flags::of_field(field),
    };
    command = command.args(own::parameters(method).iter().map(flag));
    if own::has(method, "write") {
        command = flags::judging(command);
        if own::has(method, "id") {
            command = command.arg(flags::revision());
        }
    }
    if grave::is(kind, &verb_of(method)) {
        command = command.arg(flags::yes());
    }
    flags::showing(command)
}
