//! Flags, and what was typed into them.

use clap::{Arg, ArgAction, ArgMatches, Command};
use proto::describe::{Field, Kind};

use crate::{output::events, verbs::wait::USUAL_SECONDS};

/// Under which flags are listed in the help, in the order in which one looks for them.
const FIELDS: &str = "Fields";
const CHOOSING: &str = "Choosing";
const WRITING: &str = "Writing";
const WATCHING: &str = "Watching";
const SHOWING: &str = "Showing";
const REGION: &str = "Everywhere";

pub(crate) fn of_field(field: &Field) -> Arg {
    let mut help = field.about.clone();
    if !field.example.is_empty() {
        let gap = if help.is_empty() { "" } else { " " };
        help = format!("{help}{gap}[e.g. {}]", field.example);
    }
    let flag = Arg::new(field.name.clone())
        .long(field.name.replace('_', "-"))
        .alias(field.name.clone())
        .help_heading(FIELDS)
        .help(help)
        .required(field.required)
        .allow_hyphen_values(true);
    if field.is_switch() {
        return flag.num_args(0..=1).default_missing_value("true").value_name("true|false");
    }
    if field.is_list() {
        return flag.value_name("VALUE,..").action(ArgAction::Append);
    }
    let meant = if field.refers_to.is_empty() { &field.name } else { &field.refers_to };
    flag.value_name(meant.to_uppercase().replace('-', "_"))
}

/// In place of a flag for it: what is typed on a command line, everybody on the machine may see.
pub(crate) fn of_secret(field: &Field) -> Arg {
    let name = field.name.replace('_', "-");
    Arg::new(format!("{}_stdin", field.name))
        .long(format!("{name}-stdin"))
        .action(ArgAction::SetTrue)
        .help_heading(FIELDS)
        .help(format!(
            "Read the {name} from standard input, one line; without this it is asked for at the terminal. {}",
            field.about
        ))
}

/// What something new is called can be said without its flag.
pub(crate) fn name(field: &Field) -> [Arg; 2] {
    let word = Arg::new(NAME_WORD)
        .value_name("NAME")
        .conflicts_with(&field.name)
        .help_heading(FIELDS)
        .help("The same as --name");
    let flag = of_field(field).required(false);
    [word, if field.required { flag.required_unless_present(NAME_WORD) } else { flag }]
}

/// The word that stands for --name.
pub(crate) const NAME_WORD: &str = "name_word";

pub(crate) fn id(kind: &Kind) -> Arg {
    Arg::new("id")
        .value_name(kind.noun.to_uppercase().replace('-', "_"))
        .required(true)
        .help(format!("Key or id of the {}", kind.noun.replace('-', " ")))
}

pub(crate) fn set() -> Arg {
    Arg::new("set")
        .long("set")
        .value_name("FIELD=VALUE")
        .action(ArgAction::Append)
        .help_heading(FIELDS)
        .help("Any field; FIELD= empties it")
}

/// How an answer is shown.
pub(crate) fn showing(command: Command) -> Command {
    forms(command).arg(
        Arg::new("json")
            .long("json")
            .value_name("FIELD,..")
            .value_delimiter(',')
            .help_heading(SHOWING)
            .help("Only these fields, as JSON"),
    )
}

/// How an answer is shown that has no fields to choose from.
pub(crate) fn forms(command: Command) -> Command {
    command.arg(
        Arg::new("output")
            .short('o')
            .long("output")
            .value_parser(["table", "wide", "json", "yaml"])
            .default_value("table")
            .hide_default_value(true)
            .help_heading(SHOWING)
            .help("How to show it"),
    )
}

/// What goes with every write.
pub(crate) fn writing(command: Command) -> Command {
    judging(command).arg(wait().conflicts_with("dry_run"))
}

/// The same, where racks have nothing to apply.
pub(crate) fn judging(command: Command) -> Command {
    command
        .next_help_heading(WRITING)
        .arg(message())
        .arg(
            Arg::new("dry_run")
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("Judge only, save nothing"),
        )
        .arg(
            Arg::new("request_id")
                .long("request-id")
                .value_name("ID")
                .help("The same id with the same request is done once, however often it is sent"),
        )
        .next_help_heading(None)
}

pub(crate) fn message() -> Arg {
    Arg::new("message")
        .short('m')
        .long("message")
        .value_name("TEXT")
        .help_heading(WRITING)
        .help("Why; kept in the audit trail")
}

pub(crate) fn wait() -> Arg {
    Arg::new("wait")
        .long("wait")
        .value_name("SECONDS")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value(USUAL_SECONDS.to_string())
        .value_parser(clap::value_parser!(u64).range(1..=86_400))
        .help_heading(WRITING)
        .help("Wait until every rack that it touches has applied it; 60 seconds unless given")
}

pub(crate) fn revision() -> Arg {
    Arg::new("revision")
        .long("if-revision")
        .value_name("REVISION")
        .value_parser(clap::value_parser!(i64).range(1..))
        .help_heading(WRITING)
        .help("Refuse unless it is at this revision")
}

pub(crate) fn yes() -> Arg {
    Arg::new("yes")
        .short('y')
        .long("yes")
        .action(ArgAction::SetTrue)
        .help_heading(WRITING)
        .help("Do not ask")
}

pub(crate) fn filter() -> Arg {
    Arg::new("filter")
        .long("filter")
        .value_name("CONDITIONS")
        .help_heading(CHOOSING)
        .help("field=value, != < <= > >= ~ (contains), joined by commas")
}

pub(crate) fn limit() -> Arg {
    Arg::new("limit")
        .long("limit")
        .value_name("COUNT")
        .value_parser(clap::value_parser!(u32).range(1..))
        .help_heading(CHOOSING)
        .help("At most this many; of events the newest")
}

pub(crate) fn sort() -> Arg {
    Arg::new("sort")
        .long("sort")
        .value_name("FIELD")
        .help_heading(CHOOSING)
        .help("A field, or \"FIELD desc\"")
}

pub(crate) fn watch() -> Arg {
    Arg::new("watch")
        .short('w')
        .long("watch")
        .action(ArgAction::SetTrue)
        .conflicts_with_all(["limit", "sort"])
        .help_heading(WATCHING)
        .help("Go on with each change as it happens")
}

/// Where a watch begins.
pub(crate) fn beginning(kind: &Kind) -> [Arg; 2] {
    let usual = if events::is(kind) {
        format!("; {} in a table", events::USUAL_NEWEST)
    } else {
        String::new()
    };
    [
        Arg::new("newest")
            .long("newest")
            .value_name("COUNT")
            .value_parser(clap::value_parser!(u32))
            .conflicts_with("cursor")
            .help_heading(WATCHING)
            .help(format!("Begin with at most this many of what there is, the newest{usual}")),
        Arg::new("cursor")
            .long("cursor")
            .value_name("CURSOR")
            .help_heading(WATCHING)
            .help("Go on after this place in the log instead of listing first"),
    ]
}

pub(crate) fn region() -> [Arg; 3] {
    [
        Arg::new("server")
            .long("server")
            .value_name("URL")
            .global(true)
            .help_heading(REGION)
            .help("Which region, for example https://region.example:7240 [env: HOSTLER_SERVER]"),
        Arg::new("profile")
            .long("profile")
            .value_name("PROFILE")
            .global(true)
            .help_heading(REGION)
            .help("Which login, where there are several [env: HOSTLER_PROFILE]"),
        // In place of clap's own, which would stand above everything else.
        Arg::new("help")
            .short('h')
            .long("help")
            .action(ArgAction::Help)
            .global(true)
            .help_heading(REGION)
            .help("Print help"),
    ]
}

/// A flag's text; empty when it was not given or the command has no such flag.
pub(crate) fn word(arguments: &ArgMatches, name: &str) -> String {
    arguments.try_get_one::<String>(name).ok().flatten().cloned().unwrap_or_default()
}

/// A flag's value, None when it was not given or the command has no such flag.
pub(crate) fn typed<T: Clone + Send + Sync + 'static>(
    arguments: &ArgMatches,
    name: &str,
) -> Option<T> {
    arguments.try_get_one::<T>(name).ok().flatten().cloned()
}
