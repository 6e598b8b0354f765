//! A noun and its verbs: those that all kinds share, and those that its service alone has.

use clap::{Arg, ArgAction, Command};
use prost_reflect::MethodDescriptor;
use proto::describe::{KINDS, Kind};

use super::flags;
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

pub(crate) fn all() -> Vec<Command> {
    KINDS.iter().map(noun).collect()
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
    let command = Command::new(kind.noun.as_str())
        .about(kind.about.as_str())
        .visible_alias(kind.plural.as_str())
        .subcommand_required(true)
        .arg_required_else_help(true);
    kind.service.methods().fold(command, |command, method| command.subcommand(verb(kind, &method)))
}

fn verb(kind: &'static Kind, method: &MethodDescriptor) -> Command {
    let name = method.name();
    let command = Command::new(verb_of(method));
    let command = match name {
        "List" => list(kind, command),
        "Get" => {
            flags::showing(command.about(format!("Show one {}", kind.noun))).arg(flags::id(kind))
        }
        "Create" => create(kind, command),
        "Update" => update(kind, command),
        "Delete" => delete(kind, command),
        "Watch" => watch(kind, command),
        _ => own_verb(kind, method, command),
    };
    let others = SHARED.iter().find(|(shared, _)| *shared == name).map_or(&[][..], |row| row.1);
    command.aliases(others.iter().copied())
}

fn list(kind: &Kind, command: Command) -> Command {
    let command = flags::showing(command.about(format!("List {}", kind.plural)))
        .arg(flags::filter())
        .arg(Arg::new("sort").long("sort").value_name("FIELD").help("A field, or \"FIELD desc\""));
    match kind.service.methods().any(|method| method.name() == "Watch") {
        true => command
            .arg(
                Arg::new("watch")
                    .short('w')
                    .long("watch")
                    .action(ArgAction::SetTrue)
                    .help("Go on with each change as it happens"),
            )
            .arg(cursor().requires("watch")),
        false => command,
    }
}

fn watch(kind: &Kind, command: Command) -> Command {
    flags::showing(command.about(format!("List {}, then each change as it happens", kind.plural)))
        .arg(flags::filter())
        .arg(cursor())
}

fn cursor() -> Arg {
    Arg::new("cursor")
        .long("cursor")
        .value_name("CURSOR")
        .help("Go on after this place in the log instead of listing first")
}

fn create(kind: &'static Kind, command: Command) -> Command {
    let command = command.about(format!("Create a {}", kind.noun));
    flags::writing(flags::showing(command))
        .arg(flags::wait())
        .args(kind.fields.iter().map(flags::of_field))
}

fn update(kind: &'static Kind, command: Command) -> Command {
    let changing = kind.fields.iter().filter(|field| !field.fixed);
    let set = Arg::new("set")
        .long("set")
        .value_name("FIELD=VALUE")
        .action(ArgAction::Append)
        .help("Any field; FIELD= empties it");
    flags::writing(flags::showing(command.about(format!("Change a {}", kind.noun))))
        .arg(flags::id(kind))
        .args([set, flags::revision(), flags::wait()])
        .args(changing.map(|field| flags::of_field(field).required(false)))
}

fn delete(kind: &Kind, command: Command) -> Command {
    flags::writing(command.about(format!("Delete a {}", kind.noun))).arg(flags::id(kind)).args([
        flags::revision(),
        flags::wait(),
        flags::yes(),
    ])
}

fn own_verb(kind: &'static Kind, method: &MethodDescriptor, command: Command) -> Command {
    let verb = verb_of(method);
    let mut command = flags::showing(command.about(own::about(kind, method)));
    if own::has(method, "id") {
        command = command.arg(flags::id(kind));
    }
    if own::has(method, "write") {
        command = flags::writing(command).args([flags::revision(), flags::wait()]);
    }
    if grave::is(kind, &verb) {
        command = command.arg(flags::yes());
    }
    command.args(own::parameters(method).iter().map(flags::of_field))
}
