//! Flags, and what was typed into them.

use clap::{Arg, ArgAction, ArgMatches, Command, builder::ValueParser};
use proto::describe::{Field, Kind};

use crate::verbs::wait::USUAL_SECONDS;

/// Where fields would hide the flags that every command has, they are shown under a heading of their own.
const FIELDS: &str = "Fields";

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

pub(crate) fn id(kind: &Kind) -> Arg {
    Arg::new("id")
        .value_name(kind.noun.to_uppercase())
        .required(true)
        .help(format!("Key or id of the {}", kind.noun))
}

/// How an answer is shown.
pub(crate) fn showing(command: Command) -> Command {
    forms(command).arg(
        Arg::new("json")
            .long("json")
            .value_name("FIELD,..")
            .value_delimiter(',')
            .conflicts_with("output")
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
            .help("How to show it"),
    )
}

/// What goes with every write.
pub(crate) fn writing(command: Command) -> Command {
    command
        .arg(
            Arg::new("message")
                .short('m')
                .long("message")
                .value_name("TEXT")
                .help("Why; kept in the audit trail"),
        )
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
}

pub(crate) fn wait() -> Arg {
    Arg::new("wait")
        .long("wait")
        .value_name("SECONDS")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value(USUAL_SECONDS.to_string())
        .value_parser(clap::value_parser!(u64).range(1..=86_400))
        .conflicts_with("dry_run")
        .help("Wait until every rack that it touches has applied it; 60 seconds unless given")
}

pub(crate) fn revision() -> Arg {
    Arg::new("revision")
        .long("if-revision")
        .value_name("REVISION")
        .value_parser(ValueParser::from(clap::value_parser!(i64).range(1..)))
        .help("Refuse unless it is at this revision")
}

pub(crate) fn yes() -> Arg {
    Arg::new("yes").short('y').long("yes").action(ArgAction::SetTrue).help("Do not ask")
}

pub(crate) fn filter() -> Arg {
    Arg::new("filter")
        .long("filter")
        .value_name("CONDITIONS")
        .help("field=value, != < <= > >= ~ (contains), joined by commas")
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
