//! What people type who know other tools, and how it is said here.

use clap::error::{ContextKind, ErrorKind};
use proto::describe::Kind;

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
    let (kind, rest) = nouns::kind_meant(&said)?;
    argument_of(kind, nouns::verb_meant(rest.first()?)?, &context(ContextKind::InvalidArg)?, words)
}

fn subcommand(word: &str, said: &[&str]) -> Option<String> {
    if let Some((kind, rest)) = nouns::kind_meant(said) {
        let noun = kind.spoken();
        return match rest.split_first() {
            // lease create: a verb that others have
            Some((first, _)) if *first == word && nouns::verb_meant(word).is_some() => {
                let verbs: Vec<String> =
                    kind.service.methods().map(|method| nouns::verb_of(&method)).collect();
                Some(format!("{} has only these verbs: {}", kind.with_article(), verbs.join(", ")))
            }
            // subnet 10.0.0.0/24
            Some((first, _)) if *first == word => {
                Some(format!("to show one {}: hostler {noun} get {word}", kind.noun))
            }
            // rack-token create
            _ if said.first() == Some(&word) => {
                Some(format!("it is said so: hostler {noun}{}", joined(rest)))
            }
            _ => None,
        };
    }
    // get subnet 10.0.0.0/24
    let (first, rest) = said.split_first()?;
    let (kind, rest) = nouns::kind_meant(rest).filter(|_| *first == word)?;
    let verb = nouns::verb_meant(first)?;
    Some(format!("the noun comes first: hostler {} {verb}{}", kind.spoken(), joined(rest)))
}

fn joined(words: &[&str]) -> String {
    words.iter().map(|word| format!(" {word}")).collect()
}

fn argument_of(
    kind: &'static Kind,
    verb: &str,
    argument: &str,
    words: &[String],
) -> Option<String> {
    let name = argument.trim_start_matches('-').split('=').next()?.replace('-', "_");
    let noun = kind.spoken();
    match (verb, argument.starts_with('-')) {
        ("create", false) => {
            let given = |flag: &str| words.iter().any(|word| word.trim_start_matches('-') == flag);
            let mut fields = kind.settable();
            let field = fields
                .find(|field| (field.required || field.name == "name") && !given(&field.name))?;
            let flag = field.name.replace('_', "-");
            Some(format!("fields are flags: hostler {noun} create --{flag} {argument}"))
        }
        ("update", false) if argument.contains('=') => {
            Some(format!("say it with --set: hostler {noun} update KEY --set {argument}"))
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
            ("create rack token", "hostler rack token create"),
            ("rack-token create", "hostler rack token create"),
            ("vlan create dc1/10", "hostler vlan create --fabric dc1/10"),
            ("event delete 1", "an event has only these verbs: get, list, watch"),
            ("subnet update 10.0.0.0/24 unmanaged=true", "--set unmanaged=true"),
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
