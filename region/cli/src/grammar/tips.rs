//! What people type who know other tools, and how it is said here.

use clap::error::{ContextKind, ErrorKind};
use proto::describe::{self, Kind};

use super::nouns;

/// The right form, where it can be guessed. `words` are the arguments after the program's name.
pub(crate) fn tip(error: &clap::Error, words: &[String]) -> Option<String> {
    let context = |kind| error.get(kind).map(ToString::to_string);
    let said: Vec<&str> =
        words.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    if error.kind() == ErrorKind::InvalidSubcommand {
        return subcommand(&context(ContextKind::InvalidSubcommand)?, &said);
    }
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let kind = describe::kind(said.first()?)?;
    argument_of(kind, nouns::verb_meant(said.get(1)?)?, &context(ContextKind::InvalidArg)?, words)
}

fn subcommand(word: &str, said: &[&str]) -> Option<String> {
    match said {
        // get subnet 10.0.0.0/24
        [first, second, rest @ ..] if *first == word => {
            let (verb, kind) = (nouns::verb_meant(first)?, describe::kind(second)?);
            let rest: String = rest.iter().map(|word| format!(" {word}")).collect();
            Some(format!("the noun comes first: hostler {} {verb}{rest}", kind.noun))
        }
        // subnet 10.0.0.0/24
        [noun, second, ..] if *second == word => {
            let kind = describe::kind(noun)?;
            Some(format!("to show one {}: hostler {} get {word}", kind.noun, kind.noun))
        }
        _ => None,
    }
}

fn argument_of(kind: &Kind, verb: &str, argument: &str, words: &[String]) -> Option<String> {
    let name = argument.trim_start_matches('-').split('=').next()?.replace('-', "_");
    match (verb, argument.starts_with('-')) {
        ("create", false) => {
            let given = |flag: &str| words.iter().any(|word| word.trim_start_matches('-') == flag);
            let field = kind.fields.iter().find(|field| field.required && !given(&field.name))?;
            let flag = field.name.replace('_', "-");
            Some(format!("fields are flags: hostler {} create --{flag} {argument}", kind.noun))
        }
        ("update", false) if argument.contains('=') => {
            Some(format!("say it with --set: hostler {} update KEY --set {argument}", kind.noun))
        }
        ("list" | "watch", true) => {
            let field = kind.field(&name)?;
            Some(format!("to choose by a field: --filter {}=VALUE", field.name))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_other_tools_get_the_right_one() {
        for (typed, expected) in [
            ("get subnet 10.0.0.0/24", "hostler subnet get 10.0.0.0/24"),
            ("list subnets", "hostler subnet list"),
            ("rm vlan dc1/10", "hostler vlan delete dc1/10"),
            ("subnet 10.0.0.0/24", "hostler subnet get 10.0.0.0/24"),
            ("fabric create dc1", "hostler fabric create --name dc1"),
            ("subnet update 10.0.0.0/24 managed=true", "--set managed=true"),
            ("subnet list --vlan dc1/10", "--filter vlan=VALUE"),
        ] {
            let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            let typed = ["hostler".to_owned()].into_iter().chain(words.clone());
            let error = super::super::hostler().try_get_matches_from(typed).unwrap_err();
            let tip = tip(&error, &words).unwrap_or_default();
            assert!(tip.ends_with(expected), "{words:?}: {tip:?}, {error}");
        }
    }

    #[test]
    fn what_cannot_be_guessed_gets_no_tip() {
        for typed in ["frobnicate", "subnet update", "subnet list --frobnicate"] {
            let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            let typed = ["hostler".to_owned()].into_iter().chain(words.clone());
            let error = super::super::hostler().try_get_matches_from(typed).unwrap_err();
            assert_eq!(tip(&error, &words), None, "{words:?}");
        }
    }
}
