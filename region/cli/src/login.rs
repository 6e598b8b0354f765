//! `hostler login` and `hostler profile`.

use anyhow::Context;
use clap::ArgMatches;
use runtime::tls::Trust;
use std::{io::IsTerminal, path::Path};
use tonic::{Code, Status};

use crate::{
    ask,
    failure::{self, Exit, Failure},
    grammar,
    output::{Screen, plain_table},
    profile::{self, Profile, Server, Store, Target},
    region::{self, Client},
    status,
};

pub(crate) async fn login(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let url = grammar::word(arguments, "url");
    let server: Server =
        url.parse().map_err(|rule| Failure::usage(format!("region {url:?}: {rule}")))?;
    let path = Store::path()?;
    let mut store = Store::load(&path)?;
    let name = grammar::typed(arguments, "profile").unwrap_or_else(|| free_name(&store, &server));
    let mut login = Profile { server: server.to_string(), ..Profile::default() };
    let trust = trust(arguments, &server, &mut login).await?;
    let token = token(arguments)?;
    login.token = Some(token.clone());
    let target = Target { server, token: Some(token), trust };
    let racks = check(&target).await?;
    store.profiles.insert(name.clone(), login);
    store.current = Some(name.clone());
    store.save(&path)?;
    let text = format!("logged in to {} as profile {name}{racks}\n", target.server);
    Screen::of_stdout().print(&text)?;
    Ok(Exit::Done)
}

/// By --ca, by --fingerprint, or by a yes at the terminal after looking.
async fn trust(
    arguments: &ArgMatches,
    server: &Server,
    login: &mut Profile,
) -> anyhow::Result<Option<Trust>> {
    if !server.tls {
        return Ok(None);
    }
    if let Some(file) = grammar::typed::<String>(arguments, "ca") {
        let pem = profile::read_authority(Path::new(&file))?;
        let trust = profile::authorities(&format!("--ca {file}"), &pem)?;
        login.authority = Some(pem);
        return Ok(Some(trust));
    }
    let fingerprint = match grammar::typed::<String>(arguments, "fingerprint") {
        Some(fingerprint) => fingerprint,
        None => {
            let shown = region::shown(server).await?;
            ask::whether(
                &format!(
                    "{server} is not known here yet. It shows a certificate with the SHA-256 fingerprint\n  {shown}\nCompare it with what the region's own machine says: hostler-region fingerprint"
                ),
                "trust it",
                &format!("--fingerprint {shown}, once you have compared it,"),
            )?;
            shown.to_string()
        }
    };
    let trust = profile::pinned("--fingerprint", &fingerprint)?;
    login.fingerprint = Some(fingerprint);
    Ok(Some(trust))
}

fn token(arguments: &ArgMatches) -> anyhow::Result<String> {
    let text = match grammar::typed::<String>(arguments, "token").as_deref() {
        Some("-") => std::io::read_to_string(std::io::stdin())?,
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("--token {file}: {error}")))?,
        None => match std::env::var("HOSTLER_TOKEN") {
            Ok(token) => token,
            Err(_) if std::io::stdin().is_terminal() => ask::secret("Token: ")?,
            Err(_) => {
                return Err(Failure::usage(
                    "no token given: --token FILE, --token - for standard input, or HOSTLER_TOKEN",
                ));
            }
        },
    };
    let token = text.trim().to_owned();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Failure::usage("the token must be one word"));
    }
    Ok(token)
}

/// Asks something that every token may ask; says how the racks are, since that is what one wants to know next.
async fn check(target: &Target) -> anyhow::Result<String> {
    match status::overview(&mut Client::connect(target).await?).await {
        Ok(overview) => {
            Ok(format!("; {} of {} racks up to date", overview.current, overview.racks.len()))
        }
        Err(error) => match failure::status_of(&error).map(Status::code) {
            Some(Code::Unimplemented) => Ok(String::new()),
            _ => Err(error),
        },
    }
}

/// The host's name, or the profile that this server already has.
fn free_name(store: &Store, server: &Server) -> String {
    let known = store.profiles.iter().find(|(_, one)| one.server.parse().as_ref() == Ok(server));
    known.map_or_else(|| server.host.clone(), |(name, _)| name.clone())
}

pub(crate) fn profile(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let (verb, arguments) = arguments.subcommand().context("clap wants one")?;
    let path = Store::path()?;
    let mut store = Store::load(&path)?;
    let name = grammar::word(arguments, "name");
    if verb != "list" && !store.profiles.contains_key(&name) {
        let names: Vec<&str> = store.profiles.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "no profile {name:?}; these are: {}",
            names.join(", ")
        )));
    }
    let screen = Screen::of_stdout();
    match verb {
        "use" => {
            store.current = Some(name);
            store.save(&path)?;
        }
        "remove" => {
            store.profiles.remove(&name);
            store.current = store.current.filter(|current| *current != name);
            store.save(&path)?;
        }
        _ if store.profiles.is_empty() => eprintln!("no profiles; hostler login URL makes one"),
        _ => screen.print(&listed(&store, screen))?,
    }
    Ok(Exit::Done)
}

fn listed(store: &Store, screen: Screen) -> String {
    let mut rows = vec![["", "profile", "server", "known by"].map(str::to_owned).to_vec()];
    for (name, profile) in &store.profiles {
        let mark = if store.current.as_ref() == Some(name) { "*" } else { "" };
        let known = match profile {
            Profile { fingerprint: Some(fingerprint), .. } => format!("fingerprint {fingerprint}"),
            Profile { authority: Some(_), .. } => "its authority".to_owned(),
            Profile { .. } => "-".to_owned(),
        };
        rows.push(vec![mark.to_owned(), name.clone(), profile.server.clone(), known]);
    }
    plain_table(&rows, screen)
}
