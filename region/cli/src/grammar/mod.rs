//! The command line as the contract spells it: a noun for each kind, a verb for each of its methods, a flag for each of its fields.

mod flags;
mod nouns;

use clap::{Arg, Command};

pub(crate) use flags::{typed, word};
pub(crate) use nouns::{own_methods, verb_of};

use crate::failure;

/// The whole grammar.
pub(crate) fn hostler() -> Command {
    Command::new("hostler")
        .about("The network control plane for bare metal")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(failure::HELP)
        .args(global())
        .subcommands(nouns::all())
        .subcommands(files())
        .subcommand(
            Command::new("completions").about("Print completions for a shell").arg(
                Arg::new("shell")
                    .required(true)
                    .value_parser(clap::value_parser!(clap_complete::Shell)),
            ),
        )
}

fn global() -> [Arg; 1] {
    [Arg::new("server")
        .long("server")
        .env("HOSTLER_SERVER")
        .hide_env_values(true)
        .value_name("URL")
        .global(true)
        .help("The region, for example https://region.example:7240")]
}

fn files() -> [Command; 3] {
    let file = || {
        Arg::new("file")
            .short('f')
            .long("file")
            .value_name("FILE")
            .required(true)
            .help("YAML; - reads standard input")
    };
    [
        flags::writing(
            Command::new("apply")
                .about("Create or change what a file says, all or nothing")
                .arg(file()),
        )
        .arg(flags::wait()),
        Command::new("plan")
            .about("Show what apply would do; exit code 2 says that there is something to do")
            .arg(file()),
        Command::new("export").about("Write everything as a file that apply takes"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every noun of the contract, every verb and every flag: no two with one name, no default that its own parser refuses.
    #[test]
    fn the_grammar_has_no_contradiction() {
        hostler().debug_assert();
    }
}
