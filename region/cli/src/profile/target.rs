//! From what was given to the one region that is meant.

use clap::ArgMatches;
use runtime::tls::Trust;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use std::path::Path;

use super::{Profile, Server, Store};
use crate::{failure::Failure, grammar};

/// What flags and environment say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) server: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) environment: Environment,
}

/// The variables that automation sets instead of logging in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) server: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) profile: Option<String>,
}

/// A region, how to know it, and how it knows us.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) server: Server,
    pub(crate) token: Option<String>,
    pub(crate) trust: Option<Trust>,
}

impl Given {
    pub(crate) fn of(arguments: &ArgMatches) -> Self {
        Self {
            server: grammar::typed(arguments, "server"),
            profile: grammar::typed(arguments, "profile"),
            environment: Environment::read(),
        }
    }

    /// A flag goes before the environment, a server before a profile. A profile's token goes to that profile's server and nowhere else.
    pub(crate) fn resolve(&self, store: &Store) -> anyhow::Result<Target> {
        let environment = &self.environment;
        let server = self.server.as_ref().or(match self.profile {
            Some(_) => None,
            None => environment.server.as_ref(),
        });
        let named = self.profile.as_ref().or(environment.profile.as_ref());
        let profile = match (server, named) {
            (Some(server), named) => of_server(store, &parsed(server)?, named),
            (None, Some(named)) => Some(named_profile(store, named)?),
            (None, None) => store.current.as_ref().and_then(|name| store.profiles.get(name)),
        };
        let server = server.or(profile.map(|profile| &profile.server)).ok_or_else(|| {
            Failure::usage(
                "no region is known yet\n  Log in with: hostler login https://REGION:7240\n  or set HOSTLER_SERVER and HOSTLER_TOKEN, with HOSTLER_CA or HOSTLER_FINGERPRINT.",
            )
        })?;
        Ok(Target {
            server: parsed(server)?,
            token: environment.token.clone().or(profile.and_then(|profile| profile.token.clone())),
            trust: trust(environment, profile)?,
        })
    }
}

impl Target {
    pub(crate) fn of(arguments: &ArgMatches) -> anyhow::Result<Self> {
        Given::of(arguments).resolve(&Store::load(&Store::path()?)?)
    }
}

impl Environment {
    fn read() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            server: variable("HOSTLER_SERVER"),
            token: variable("HOSTLER_TOKEN").map(|token| token.trim().to_owned()),
            authority: variable("HOSTLER_CA"),
            fingerprint: variable("HOSTLER_FINGERPRINT"),
            profile: variable("HOSTLER_PROFILE"),
        }
    }
}

fn parsed(server: &str) -> anyhow::Result<Server> {
    server.parse().map_err(|rule| Failure::usage(format!("region {server:?}: {rule}")))
}

/// The profile of this server; where several have it, the one that was named, or else the current one.
fn of_server<'a>(store: &'a Store, server: &Server, named: Option<&String>) -> Option<&'a Profile> {
    let has = |profile: &&Profile| profile.server.parse().as_ref() == Ok(server);
    let by_name = |name: Option<&String>| store.profiles.get(name?).filter(has);
    by_name(named)
        .or_else(|| by_name(store.current.as_ref()))
        .or_else(|| store.profiles.values().find(has))
}

fn named_profile<'a>(store: &'a Store, name: &str) -> anyhow::Result<&'a Profile> {
    store.profiles.get(name).ok_or_else(|| {
        let names: Vec<&str> = store.profiles.keys().map(String::as_str).collect();
        let known = if names.is_empty() { "there is none".into() } else { names.join(", ") };
        Failure::usage(format!(
            "profile {name:?} is not known; these are: {known}\n  hostler login URL --profile {name} makes it."
        ))
    })
}

fn trust(environment: &Environment, profile: Option<&Profile>) -> anyhow::Result<Option<Trust>> {
    if let Some(fingerprint) = &environment.fingerprint {
        return pinned("HOSTLER_FINGERPRINT", fingerprint).map(Some);
    }
    if let Some(path) = &environment.authority {
        let pem = read_authority(Path::new(path))?;
        return authorities("HOSTLER_CA", &pem).map(Some);
    }
    match profile {
        Some(Profile { fingerprint: Some(fingerprint), .. }) => {
            pinned("the profile's fingerprint", fingerprint).map(Some)
        }
        Some(Profile { authority: Some(pem), .. }) => {
            authorities("the profile's authority", pem).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

pub(crate) fn pinned(whence: &str, fingerprint: &str) -> anyhow::Result<Trust> {
    let pin = fingerprint.parse().map_err(|refusal: common::Refusal| {
        Failure::usage(format!("{whence} {fingerprint:?}: {}", refusal.0))
    })?;
    Ok(Trust::Pinned(pin))
}

pub(crate) fn authorities(whence: &str, pem: &str) -> anyhow::Result<Trust> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(authorities) if !authorities.is_empty() => Ok(Trust::Authorities(authorities)),
        Ok(_) => Err(Failure::usage(format!("{whence}: holds no certificate in PEM"))),
        Err(error) => Err(Failure::usage(format!("{whence}: {error}"))),
    }
}

pub(crate) fn read_authority(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = "https://lab.example:7240";
    const LIVE: &str = "https://live.example:7240";

    fn store() -> Store {
        let profile = |server: &str, token: &str| Profile {
            server: server.into(),
            token: Some(token.into()),
            ..Profile::default()
        };
        let profiles = [("lab", profile(LAB, "of-lab")), ("live", profile(LIVE, "of-live"))];
        Store {
            current: Some("lab".into()),
            profiles: profiles.map(|(name, profile)| (name.to_owned(), profile)).into(),
        }
    }

    fn given(flags: [&str; 2], environment: [&str; 3]) -> Given {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Given {
            server: some(flags[0]),
            profile: some(flags[1]),
            environment: Environment {
                server: some(environment[0]),
                profile: some(environment[1]),
                token: some(environment[2]),
                ..Environment::default()
            },
        }
    }

    #[test]
    fn the_nearest_word_counts_and_tokens_stay_with_their_server() {
        let other = "https://other.example:7240";
        // [--server, --profile], [HOSTLER_SERVER, HOSTLER_PROFILE, HOSTLER_TOKEN], server, token
        for (flags, environment, server, token) in [
            (["", ""], ["", "", ""], LAB, Some("of-lab")),
            (["", "live"], ["", "", ""], LIVE, Some("of-live")),
            (["", ""], ["", "live", ""], LIVE, Some("of-live")),
            (["", "lab"], ["", "live", ""], LAB, Some("of-lab")),
            (["", ""], [LIVE, "", ""], LIVE, Some("of-live")),
            (["", ""], [LIVE, "lab", ""], LIVE, Some("of-live")),
            (["", "lab"], [LIVE, "", ""], LAB, Some("of-lab")),
            ([LIVE, ""], ["", "lab", ""], LIVE, Some("of-live")),
            (["live.example", ""], ["", "", ""], LIVE, Some("of-live")),
            ([other, ""], ["", "", ""], other, None),
            ([other, "lab"], ["", "", ""], other, None),
            ([other, ""], ["", "", "typed"], other, Some("typed")),
            (["", ""], ["", "", "typed"], LAB, Some("typed")),
        ] {
            let given = given(flags, environment);
            let target = given.resolve(&store()).unwrap();
            let found = (target.server.to_string(), target.token);
            assert_eq!((found.0.as_str(), found.1.as_deref()), (server, token), "{given:?}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_with_what_to_do() {
        for (given, store, said) in [
            (Given::default(), Store::default(), "hostler login https://REGION:7240"),
            (given(["", "labb"], ["", "", ""]), store(), "these are: lab, live"),
            (given(["http://a.example", ""], ["", "", ""]), store(), "must be https://"),
        ] {
            let error = given.resolve(&store).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
