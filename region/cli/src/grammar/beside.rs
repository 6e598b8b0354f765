//! Verbs that no method of the kind's own service stands for.

use clap::{Arg, Command};
use proto::describe::Kind;

use super::flags;

pub(super) fn of(kind: &Kind) -> Vec<Command> {
    match kind.noun.as_str() {
        "rack" => vec![rack_status(), rack_converge()],
        _ => Vec::new(),
    }
}

fn rack_status() -> Command {
    flags::forms(Command::new("status"))
        .about("Which racks have what they were told, and which are behind")
        .arg(Arg::new("id").value_name("RACK").help("Key or id of one rack; all unless given"))
}

fn rack_converge() -> Command {
    Command::new("converge")
        .about("Wait until every rack has everything that was saved up to now")
        .arg(flags::wait())
}
