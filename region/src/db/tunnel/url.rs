//! As much of a `postgres://` URL as the tunnel must understand.

use common::{Refusal, Secret};
use std::path::Path;

/// What the connection must be, in libpq's words. `allow` and `prefer` would go on in plain text without a word, so they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// disable, or nothing said.
    Plain,
    /// Encrypted, whoever it is.
    Require,
    /// Encrypted, with a certificate of the authorities.
    VerifyCa,
    /// And of the server's name.
    VerifyFull,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUrl {
    /// `postgres://user:password@`
    login: Secret<String>,
    pub host: String,
    pub port: u16,
    /// `/database`
    path: String,
    /// What of the query is libpq's business.
    query: Vec<String>,
    pub mode: Mode,
    /// The file of `sslrootcert`.
    pub authorities: String,
}

impl PostgresUrl {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (login, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (format!("{scheme}://{user}@"), place),
            None => (format!("{scheme}://"), authority),
        };
        let mut url = Self {
            login: Secret::new(login),
            host: String::new(),
            port: 5432,
            path: path.to_owned(),
            query: Vec::new(),
            mode: Mode::Plain,
            authorities: String::new(),
        };
        url.read_query(query)?;
        // Whom to reach is libpq's alone unless we are between.
        if url.mode != Mode::Plain {
            url.read_place(place)?;
        }
        Ok(url)
    }

    fn read_query(&mut self, query: &str) -> Result<(), Refusal> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "sslmode" => {
                    self.mode = match value {
                        "disable" => Mode::Plain,
                        "require" => Mode::Require,
                        "verify-ca" => Mode::VerifyCa,
                        "verify-full" => Mode::VerifyFull,
                        _ => {
                            return Err(wrong(&format!(
                                "sslmode {value:?} must be disable, require, verify-ca or verify-full"
                            )));
                        }
                    }
                }
                "sslrootcert" => self.authorities = value.replace("%2F", "/"),
                "sslcert" | "sslkey" | "sslcrl" | "sslnegotiation" => {
                    return Err(wrong(&format!("{name} is not understood here")));
                }
                _ => self.query.push(pair.to_owned()),
            }
        }
        let verifies = matches!(self.mode, Mode::VerifyCa | Mode::VerifyFull);
        if verifies && self.authorities.is_empty() {
            return Err(wrong("to verify the server takes sslrootcert, a PEM file of authorities"));
        }
        Ok(())
    }

    fn read_place(&mut self, place: &str) -> Result<(), Refusal> {
        let elsewhere = |pair: &String| {
            ["host=", "port=", "hostaddr="].iter().any(|name| pair.starts_with(name))
        };
        if place.contains(',') || place.contains('%') || self.query.iter().any(elsewhere) {
            return Err(wrong("TLS takes one server, as HOST or HOST:PORT"));
        }
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        if host.is_empty() {
            return Err(wrong("TLS takes a host"));
        }
        self.host = host.to_owned();
        if let Some(port) = port.filter(|port| !port.is_empty()) {
            self.port = port.parse().map_err(|_| wrong(NO_PORT))?;
        }
        Ok(())
    }

    /// The same database by a socket in this folder.
    pub fn by_socket(&self, folder: &Path) -> Secret<String> {
        let folder = folder.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        let query = match self.query.is_empty() {
            true => String::new(),
            false => format!("?{}", self.query.join("&")),
        };
        let (login, path) = (self.login.expose(), &self.path);
        Secret::new(format!("{login}{folder}:{}{path}{query}", self.port))
    }
}

/// Without the port: it is a piece of the password when that has a / in it.
const NO_PORT: &str = "its port is no number; in a password, / is written %2F";

fn wrong(why: &str) -> Refusal {
    Refusal::new(format!("the database's URL is of no use: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_means_what_it_says_or_is_refused() {
        let rows = [
            ("postgres://u:p@h/d", Ok((Mode::Plain, "", 5432))),
            ("postgres://h,i/d?host=/tmp", Ok((Mode::Plain, "", 5432))),
            ("postgres://h/d?sslmode=disable", Ok((Mode::Plain, "", 5432))),
            ("postgres://h:1/d?sslmode=require", Ok((Mode::Require, "h", 1))),
            ("postgres://u@[::1]:7/d?sslmode=require", Ok((Mode::Require, "::1", 7))),
            ("postgres://h?sslmode=verify-ca&sslrootcert=a.pem", Ok((Mode::VerifyCa, "h", 5432))),
            ("postgres://h?sslmode=verify-full", Err("sslrootcert")),
            ("postgres://h/d?sslmode=prefer", Err("sslmode")),
            ("postgres://h/d?sslmode=allow", Err("sslmode")),
            ("postgres://h/d?sslmode=", Err("sslmode")),
            ("postgres://h,i/d?sslmode=require", Err("one server")),
            ("postgres://h/d?sslmode=require&hostaddr=1.2.3.4", Err("one server")),
            ("postgres:///d?sslmode=require", Err("a host")),
            ("postgres://h:x/d?sslmode=require", Err("port")),
            ("postgres://h/d?sslmode=require&sslkey=k", Err("sslkey")),
            ("h/d", Err("scheme")),
        ];
        for (text, expected) in rows {
            match (PostgresUrl::parse(text), expected) {
                (Ok(url), Ok((mode, host, port))) => {
                    assert_eq!(
                        (url.mode, url.host.as_str(), url.port),
                        (mode, host, port),
                        "{text}"
                    );
                }
                (Err(refusal), Err(part)) => assert!(refusal.0.contains(part), "{}", refusal.0),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn libpq_gets_the_rest() {
        let text = "postgres://u:p@h:6000/d?sslmode=require&application_name=x&connect_timeout=3";
        let url = PostgresUrl::parse(text).unwrap();
        assert_eq!(
            url.by_socket(Path::new("/tmp/a")).expose(),
            "postgres://u:p@%2Ftmp%2Fa:6000/d?application_name=x&connect_timeout=3"
        );
    }
}
