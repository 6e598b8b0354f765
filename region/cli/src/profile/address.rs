//! Where a region is.

use rustls_pki_types::ServerName;
use std::{fmt, net::IpAddr, str::FromStr};

/// The operators' port, unless another is given.
const PORT: u16 = 7240;

/// A host and a port. Without TLS only on this machine, since a token must not cross a network in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) tls: bool,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Server {
    /// What a certificate must say.
    pub(crate) fn name(&self) -> Result<ServerName<'static>, String> {
        ServerName::try_from(self.host.clone())
            .map_err(|_| format!("{:?} is neither a host name nor an address", self.host))
    }

    /// As sockets want it.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address())
    }
}

impl FromStr for Server {
    /// The rule that the text breaks.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().trim_end_matches('/');
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err("must begin with https://".into()),
            None => (true, text),
        };
        if rest.contains(['/', '?', '#', '@', ' ']) {
            return Err("must be https://HOST:PORT and nothing after it".into());
        }
        let (host, port) = split(rest)?;
        let server = Self { tls, host, port };
        server.name()?;
        let here = server.host == "localhost"
            || server.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !tls && !here {
            return Err("must be https://: a token would cross the network in the clear".into());
        }
        Ok(server)
    }
}

/// Takes `name`, `name:1`, `192.0.2.1:1`, `[2001:db8::1]:1` and a bare `2001:db8::1`.
fn split(text: &str) -> Result<(String, u16), String> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text.to_owned(), PORT));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("has a [ without its ]")?;
            (host, after.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(PORT), |port| {
        port.parse().map_err(|_| format!("has a port {port:?} that is none of 1 to 65535"))
    })?;
    if host.is_empty() { Err("names no host".into()) } else { Ok((host.to_owned(), port)) }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (typed, expected) in [
            ("https://region.example:7240", "https://region.example:7240"),
            ("https://region.example", "https://region.example:7240"),
            ("https://region.example/", "https://region.example:7240"),
            ("region.example", "https://region.example:7240"),
            ("region.example:443", "https://region.example:443"),
            ("192.0.2.1", "https://192.0.2.1:7240"),
            ("2001:db8::1", "https://[2001:db8::1]:7240"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:7240"),
            ("https://[2001:db8::1]:443", "https://[2001:db8::1]:443"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("http://localhost", "http://localhost:7240"),
        ] {
            let read = typed.parse::<Server>().map(|server| server.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{typed}");
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused_with_the_rule() {
        for (typed, rule) in [
            ("http://region.example", "must be https://: a token would cross"),
            ("http://192.0.2.1", "must be https://: a token would cross"),
            ("grpc://region.example", "must begin with https://"),
            ("https://region.example/api", "nothing after it"),
            ("https://me@region.example", "nothing after it"),
            ("https://region.example:0x1", "none of 1 to 65535"),
            ("https://region.example:70000", "none of 1 to 65535"),
            ("https://[2001:db8::1", "[ without its ]"),
            ("https://:7240", "names no host"),
            ("", "names no host"),
            ("https://two words", "nothing after it"),
            ("https://under..score", "neither a host name nor an address"),
        ] {
            let refused = typed.parse::<Server>().expect_err(typed);
            assert!(refused.contains(rule), "{typed}: {refused}");
        }
    }
}
