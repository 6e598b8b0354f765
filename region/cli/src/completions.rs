//! Shell completions: the grammar's by clap, and keys of resources asked of region at the moment of the tab.

use clap::ArgMatches;
use clap_complete::{
    Generator,
    shells::{Bash, Fish, Zsh},
};
use proto::describe::{self, KINDS, Kind, meta};
use std::time::Duration;
use tokio::time::timeout;

use crate::{failure::Exit, grammar, output::Screen, profile::Target, region::Client};

/// Nobody waits longer for a tab.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than anybody reads.
const MOST: usize = 1000;

/// The shells that `script` knows.
pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

pub(crate) fn print(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    Screen::of_stdout().print(&script(&grammar::word(arguments, "shell"))?)?;
    Ok(Exit::Done)
}

fn script(shell: &str) -> anyhow::Result<String> {
    match shell {
        "bash" => Ok(bash(&generated(Bash)?)),
        "zsh" => Ok(zsh(generated(Zsh)?)),
        _ => Ok(generated(Fish)? + &KINDS.iter().map(fish).collect::<String>()),
    }
}

fn generated(shell: impl Generator) -> anyhow::Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut grammar::hostler(), "hostler", &mut script);
    Ok(String::from_utf8(script)?)
}

/// The keys of a kind, a line each. Silent when there are none to be had: it is called while somebody types.
pub(crate) async fn keys(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let Some(kind) = describe::kind(&grammar::word(arguments, "noun")) else {
        return Ok(Exit::Done);
    };
    let list = async {
        let mut client = Client::connect(&Target::of(arguments)?).await?;
        client.list(kind, "", "", Some(MOST)).await
    };
    if let Ok(Ok((items, _))) = timeout(PATIENCE, list).await {
        let keys: String = items.iter().map(|item| meta(item, "key") + "\n").collect();
        Screen::of_stdout().print(&keys)?;
    }
    Ok(Exit::Done)
}

/// The verbs that take a key as their first word, as they are typed.
fn verbs_of_one(kind: &'static Kind) -> Vec<String> {
    let methods = kind.service.methods();
    let of_one = methods.filter(|method| {
        matches!(method.name(), "Get" | "Update" | "Delete")
            || (grammar::own_methods(kind).any(|own| own == *method)
                && method.input().get_field_by_name("id").is_some())
    });
    of_one.map(|method| grammar::verb_of(&method)).collect()
}

/// A function before clap's, which it calls where no key is wanted.
fn bash(script: &str) -> String {
    let cases: String = KINDS
        .iter()
        .flat_map(|kind| verbs_of_one(kind).into_iter().map(move |verb| (kind, verb)))
        .map(|(kind, verb)| {
            let words = kind.spoken();
            let place = words.split(' ').count() + 2;
            format!("        '{place} {words} {verb}') noun={} ;;\n", kind.noun)
        })
        .collect();
    let (functions, registration) =
        script.split_once("\nif [[ \"${BASH_VERSINFO").unwrap_or((script, ""));
    let registration =
        registration.replace("complete -F _hostler ", "complete -F _hostler_or_key ");
    format!(
        r#"{functions}
_hostler_or_key() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" noun=
    case "$COMP_CWORD ${{COMP_WORDS[*]:1:COMP_CWORD-1}}" in
{cases}    esac
    if [[ -n $noun && $word != -* ]]; then
        COMPREPLY=($(compgen -W "$(hostler keys "$noun" 2>/dev/null)" -- "$word"))
    else
        _hostler "$@"
    fi
}}

if [[ "${{BASH_VERSINFO{registration}"#
    )
}

/// Clap marks each key with its help and offers files there.
fn zsh(mut script: String) -> String {
    for kind in KINDS.iter() {
        let help = format!("Key or id of the {}:", kind.noun.replace('-', " "));
        let with_keys = format!("{help}{{_hostler_keys {}}}'", kind.noun);
        script = script.replace(&format!("{help}_default'"), &with_keys);
    }
    let function = "\n_hostler_keys() {\n    local -a keys=(${(f)\"$(hostler keys $1 2>/dev/null)\"})\n    compadd -a keys\n}\n";
    match script.split_once('\n') {
        Some((head, body)) => format!("{head}\n{function}{body}"),
        None => script,
    }
}

fn fish(kind: &'static Kind) -> String {
    let words = kind.spoken();
    let mut condition: Vec<String> =
        words.split(' ').map(|word| format!("__fish_seen_subcommand_from {word}")).collect();
    condition.push(format!("__fish_seen_subcommand_from {}", verbs_of_one(kind).join(" ")));
    for under in KINDS.iter().filter(|other| other.under == kind.noun) {
        let word = under.spoken().replace(&format!("{} ", kind.noun), "");
        condition.push(format!("not __fish_seen_subcommand_from {word}"));
    }
    let condition = condition.join("; and ");
    format!(
        "complete -c hostler -n \"{condition}\" -f -a \"(hostler keys {} 2>/dev/null)\"\n",
        kind.noun
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_asks_for_keys_where_a_key_is_wanted() {
        for (shell, wanted) in [
            ("bash", "'3 subnet update') noun=subnet ;;"),
            ("bash", "'4 rack token delete') noun=rack-token ;;"),
            ("bash", "complete -F _hostler_or_key -o"),
            ("zsh", "Key or id of the subnet:{_hostler_keys subnet}'"),
            ("fish", "(hostler keys subnet 2>/dev/null)"),
            ("fish", "not __fish_seen_subcommand_from token\" -f -a \"(hostler keys rack "),
        ] {
            let script = script(shell).unwrap();
            assert!(script.contains(wanted), "{shell}: {wanted}");
        }
    }
}
