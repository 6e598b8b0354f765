//! The command line as the contract spells it: a noun for each kind, a verb for each of its methods, a flag for each of its fields.

mod beside;
mod flags;
mod nouns;
mod tips;

use clap::{Arg, Command};

pub(crate) use flags::{NAME_WORD, typed, word};
pub(crate) use nouns::{kind_meant, own_methods, verb_of};
pub(crate) use tips::tip;

use crate::failure;

/// The whole grammar.
pub(crate) fn hostler() -> Command {
    with_nouns(nouns::all(&|_| true))
}

/// As much of it as these words can be about: a start is short however many kinds there are.
pub(crate) fn hostler_for(words: &[String]) -> Command {
    // `help subnet` walks the whole tree.
    let all = words.iter().any(|word| word == "help");
    with_nouns(nouns::all(&|kind| {
        all || words.iter().any(|word| *word == kind.noun || *word == kind.plural)
    }))
}

fn with_nouns(nouns: Vec<Command>) -> Command {
    Command::new("hostler")
        .about("The network control plane for bare metal")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(failure::HELP)
        .disable_help_flag(true)
        .args(flags::region())
        .subcommands(nouns)
        .subcommand(flags::forms(
            Command::new("status")
                .about("Which racks have what they were told, and which are behind"),
        ))
        .subcommands(files())
        .subcommands(logins())
        .subcommands(completions())
}

fn logins() -> [Command; 2] {
    let name = || Arg::new("name").value_name("PROFILE").required(true);
    let login =
        Command::new("login")
            .about("Log in to a region: know it by its certificate, be known to it by a token")
            .arg(Arg::new("url").value_name("URL").required(true).help("https://REGION:7240"))
            .arg(
                Arg::new("token").long("token").value_name("FILE").help(
                    "The file that holds the token, - for standard input; asked for otherwise",
                ),
            )
            .arg(
                Arg::new("fingerprint").long("fingerprint").value_name("SHA256").help(
                    "Of the region's certificate or of its authority; shown and asked otherwise",
                ),
            )
            .arg(
                Arg::new("ca")
                    .long("ca")
                    .value_name("FILE")
                    .conflicts_with("fingerprint")
                    .help("The authorities that may sign the region's certificate, in PEM"),
            );
    let profile = Command::new("profile")
        .about("The logins on this machine")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("List profiles").alias("ls"))
        .subcommand(Command::new("use").about("Use this one from now on").arg(name()))
        .subcommand(
            Command::new("remove").about("Forget it, its token too").alias("rm").arg(name()),
        );
    [login, profile]
}

fn completions() -> [Command; 2] {
    let shell = Arg::new("shell")
        .required(true)
        .value_parser(crate::completions::SHELLS)
        .help("bash: source <(hostler completions bash)");
    [
        Command::new("completions").about("Print completions for a shell").arg(shell),
        // What those ask while somebody types.
        Command::new("keys").hide(true).arg(Arg::new("noun").required(true)),
    ]
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
        ),
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

    /// What is left out for a quick start is never what the words are about.
    #[test]
    fn a_part_of_the_grammar_says_what_the_whole_says() {
        for kind in proto::describe::KINDS.iter() {
            for noun in [kind.spoken(), kind.plural.clone()] {
                for verb in ["--help", "list --help", "frobnicate", ""] {
                    let typed = format!("--server x {noun} {verb}");
                    let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
                    let said = |command: Command| {
                        let typed = ["hostler".to_owned()].into_iter().chain(words.clone());
                        command.try_get_matches_from(typed).unwrap_err().to_string()
                    };
                    assert_eq!(said(hostler_for(&words)), said(hostler()), "{typed}");
                }
            }
        }
    }
}
