//! The part of an address behind the question mark: it holds all state of a page, so that a pasted link shows what the sender saw.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::{header, request::Parts},
};
use std::{collections::HashMap, convert::Infallible};

use super::{Fault, multipart, words::encoded};

/// Names and values in the order given; a name may come several times.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pub(super) path: String,
    pairs: Vec<(String, String)>,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let pairs = pairs.map(|axum::extract::Query(pairs)| pairs).unwrap_or_default();
        Ok(Self { path: parts.uri.path().to_owned(), pairs })
    }
}

impl Query {
    #[cfg(test)]
    pub(super) fn of(path: &str, pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { path: path.into(), pairs }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.pairs.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }

    /// With this where the address says nothing of it.
    pub(super) fn or(mut self, name: &str, value: &str) -> Self {
        if self.get(name).is_empty() && !value.is_empty() {
            self.pairs.push((name.into(), value.into()));
        }
        self
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let found = self.pairs.iter().filter(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()).collect()
    }

    /// The same page with these values in place of its own; an empty one is left out.
    pub(super) fn with(&self, changes: &[(&str, &str)]) -> String {
        let kept = self
            .pairs
            .iter()
            .filter(|(name, value)| {
                !value.is_empty() && changes.iter().all(|(other, _)| other != name)
            })
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let added = changes.iter().filter(|(_, value)| !value.is_empty()).copied();
        let query: Vec<String> = kept
            .chain(added)
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, query.join("&"))
        }
    }

    /// What a form of this page has to carry on, besides its own fields.
    pub(super) fn except(&self, names: &[&str]) -> Vec<(String, String)> {
        let kept = self
            .pairs
            .iter()
            .filter(|(name, value)| !value.is_empty() && !names.contains(&name.as_str()));
        kept.cloned().collect()
    }
}

/// A form's fields. Of a name that comes twice the later counts: a checkbox is a hidden "false" and, when ticked, a "true".
#[derive(Clone, Debug, Default)]
pub(super) struct Typed(HashMap<String, String>);

impl<S: Send + Sync> FromRequest<S> for Typed {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let pairs = match with_files(&request) {
            Some(boundary) => {
                let body = String::from_request(request, state).await?;
                let parts = multipart::parts(&boundary, &body).ok_or_else(Fault::half_a_form)?;
                parts.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
            }
            None => Form::<Vec<(String, String)>>::from_request(request, state).await?.0,
        };
        // Browsers end the lines of a text area with two characters (HTML, 4.10.21.8).
        let pairs = pairs.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n")));
        Ok(Self(pairs.collect()))
    }
}

/// What is between the parts of a form that carries files.
fn with_files(request: &Request) -> Option<String> {
    let media = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    multipart::boundary(media).map(str::to_owned)
}

impl Typed {
    /// A link may fill in a form.
    pub(super) fn of(query: &Query) -> Self {
        Self(query.pairs.iter().filter(|(name, _)| name != "do").cloned().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Without the fields of which `gone` says so.
    pub(super) fn without(&self, gone: impl Fn(&str, &str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, text)| !gone(name, text));
        Self(kept.map(|(name, text)| (name.clone(), text.clone())).collect())
    }

    pub(super) fn word(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_they_do_not_change() {
        let query = Query::of(
            "/leases",
            &[("filter", "vlan=a/10"), ("sort", "mac"), ("after", "x y"), ("columns", "")],
        );
        for (changes, expected) in [
            (&[("sort", "-mac"), ("after", "")][..], "/leases?filter=vlan%3Da/10&sort=-mac"),
            (&[("filter", ""), ("sort", "")], "/leases?after=x%20y"),
            (&[("filter", ""), ("sort", ""), ("after", "")], "/leases"),
        ] {
            assert_eq!(query.with(changes), expected);
        }
        assert_eq!((query.get("sort"), query.get("none")), ("mac", ""));
    }
}
