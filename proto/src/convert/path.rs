use common::{Objection, Refusal};
use std::{fmt, str::FromStr};

/// A message that is not what it should be: every field, its value and the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", one_line(.0))]
pub struct Refused(pub Vec<Objection>);

impl Refused {
    pub(crate) fn one(field: &str, value: impl fmt::Display, rule: impl Into<String>) -> Self {
        Self(vec![Objection::new(field, value, rule)])
    }
}

fn one_line(objections: &[Objection]) -> String {
    objections.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A message being read at some path of a larger one: goes on after a bad field, so that the answer has them all.
pub(crate) struct Reading {
    path: String,
    pub(crate) objections: Vec<Objection>,
}

impl Reading {
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), objections: Vec::new() }
    }

    pub(crate) fn object(
        &mut self,
        field: &str,
        value: impl fmt::Display,
        rule: impl Into<String>,
    ) {
        let field = format!("{}{field}", self.path);
        self.objections.push(Objection::new(&field, value, rule));
    }

    pub(crate) fn parse<T: FromStr>(&mut self, field: &str, text: &str, rule: &str) -> Option<T> {
        self.check(field, text, text.parse().map_err(|_| Refusal::new(rule)))
    }

    /// Nothing was given, and nothing need be.
    pub(crate) fn optional<T: FromStr>(
        &mut self,
        field: &str,
        text: &str,
        rule: &str,
    ) -> Option<T> {
        if text.is_empty() { None } else { self.parse(field, text, rule) }
    }

    pub(crate) fn check<T>(
        &mut self,
        field: &str,
        value: impl fmt::Display,
        outcome: Result<T, Refusal>,
    ) -> Option<T> {
        outcome.map_err(|refusal| self.object(field, value, refusal.0)).ok()
    }

    /// What was read below here, with its objections.
    pub(crate) fn take(&mut self, below: Self) {
        self.objections.extend(below.objections);
    }

    pub(crate) fn below(&self, field: &str, at: usize) -> Self {
        Self::new(format!("{}{field}[{at}].", self.path))
    }
}
