//! A join token as the text that an operator carries from region to a rack.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use common::{Refusal, Secret};
use prost::Message;
use std::str::FromStr;

use crate::v1;

/// Where region is, how it is recognised, and the right to join once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// `HOST:PORT`, in the order in which they are tried; at least one.
    pub addresses: Vec<String>,
    /// SHA-256 of region's authority.
    pub authority: [u8; 32],
    pub secret: Secret<String>,
}

const PREFIX: &str = "hostler-join-";

impl JoinToken {
    /// The token itself: whoever reads it may join, so it is shown once and never logged.
    pub fn encode(&self) -> Secret<String> {
        let message = v1::JoinToken {
            addresses: self.addresses.clone(),
            authority_sha256: self.authority.to_vec(),
            secret: self.secret.expose().clone(),
        };
        let body = BASE64_URL_SAFE_NO_PAD.encode(message.encode_to_vec());
        Secret::new(format!("{PREFIX}{body}"))
    }
}

impl FromStr for JoinToken {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let body = text.trim().strip_prefix(PREFIX).ok_or_else(|| {
            Refusal::new(format!("is no join token: those begin with \"{PREFIX}\""))
        })?;
        let damaged = || Refusal::new("is damaged: copy the join token whole, on one line");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(body).map_err(|_| damaged())?;
        let message = v1::JoinToken::decode(bytes.as_slice()).map_err(|_| damaged())?;
        let authority = message.authority_sha256.try_into().map_err(|_| damaged())?;
        if message.addresses.is_empty() || message.secret.is_empty() {
            return Err(damaged());
        }
        Ok(Self { addresses: message.addresses, authority, secret: Secret::new(message.secret) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            addresses: vec!["region.example:7241".into(), "[2001:db8::1]:7241".into()],
            authority: [7; 32],
            secret: Secret::new("s3cret".into()),
        }
    }

    #[test]
    fn a_token_survives_its_text() {
        let text = token().encode();
        assert_eq!(text.expose().parse(), Ok(token()));
        assert_eq!(format!("  {}\n", text.expose()).parse(), Ok(token()));
        assert!(!format!("{:?}", token()).contains("s3cret"));
    }

    #[test]
    fn a_token_that_is_not_whole_is_refused() {
        let text = token().encode().expose().clone();
        let nameless = JoinToken { addresses: Vec::new(), ..token() };
        for (text, rule) in [
            ("", "begin with"),
            ("hostler-admin-abc", "begin with"),
            (&text[..text.len() - 4], "damaged"),
            (&text[..PREFIX.len()], "damaged"),
            (&format!("{PREFIX}not base64!"), "damaged"),
            (nameless.encode().expose(), "damaged"),
        ] {
            let refusal = text.parse::<JoinToken>().unwrap_err();
            assert!(refusal.0.contains(rule), "{text}: {}", refusal.0);
        }
    }
}
