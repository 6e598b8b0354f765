//! Each type of the vocabulary, on the wire and in a column. One entry per type, whatever the number of resources.

mod address;
mod boot;
mod vocabulary;

pub use address::{address_bytes, cidr_bytes};
pub(crate) use vocabulary::wire_time;

use common::{Id, Objection, Refusal};
use proto::{describe::Kind, v1};
use uuid::Uuid;

use super::Resource;
use crate::{
    db::{
        Conn, DbError,
        condition::{Condition, Operator, Value},
        names::{self, Names},
    },
    operations,
};

#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form on the wire and in a column yet",
    note = "give it an entry in region/src/resources/field/"
)]
pub trait Field: Sized {
    type Wire: Wire;
    type Column: Into<Value>;
    const COMPARES: Compares = Compares::InOrder;

    fn parse(wire: Self::Wire, lookup: &mut Lookup<'_>) -> Result<Self, Refusal>;
    fn show(&self, names: &Names) -> Self::Wire;
    fn store(&self) -> Self::Column;
    fn load(column: Self::Column) -> Result<Self, String>;

    /// Table and id, when this names another resource.
    fn reference(&self) -> Option<(&'static str, Uuid)> {
        None
    }

    /// The table that values of this type name a row of.
    fn table() -> Option<&'static str> {
        None
    }

    /// What a filter compares outside the database; of a reference that is the key.
    fn weigh(wire: Self::Wire) -> Option<Value> {
        Self::parse(wire, &mut Lookup::nowhere()).ok().map(|own| own.store().into())
    }
}

/// Which comparisons mean something for a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compares {
    /// All of them.
    AsText,
    /// All but ~.
    InOrder,
    /// = and != only.
    AsSame,
    /// = and !=, and ~ on the key.
    ByName,
}

impl Compares {
    pub fn check(self, operator: Operator) -> Result<(), Refusal> {
        let same = matches!(operator, Operator::Equal | Operator::Unequal);
        let like = operator == Operator::Like;
        let (allowed, those) = match self {
            Self::AsText => (true, ""),
            Self::InOrder => (!like, "= != < <= > >="),
            Self::AsSame => (same, "= !="),
            Self::ByName => (same || like, "= != ~"),
        };
        if allowed { Ok(()) } else { Err(Refusal::new(format!("can be compared by {those}"))) }
    }
}

/// Finds what a reference names; the database's own failure waits until the whole message has been read.
pub struct Lookup<'a> {
    conn: Option<&'a mut Conn>,
    failed: Option<DbError>,
}

impl<'a> Lookup<'a> {
    pub fn new(conn: &'a mut Conn) -> Self {
        Self { conn: Some(conn), failed: None }
    }

    /// Finds nothing: for types that are no references.
    pub fn nowhere() -> Self {
        Self { conn: None, failed: None }
    }

    fn find<R: Resource>(&mut self, text: &str) -> Result<Id<R>, Refusal> {
        let unknown = || {
            let command = operations::kind::<R>().spoken();
            Refusal::new(format!("is no {command}; see: hostler {command} list"))
        };
        let Some(conn) = self.conn.as_deref_mut() else { return Err(unknown()) };
        match names::find(conn, R::TABLE, text) {
            Ok(Some(id)) => Ok(Id::new(id)),
            Ok(None) => Err(unknown()),
            Err(error) => {
                self.failed.get_or_insert(error);
                Err(Refusal::new("was not looked up"))
            }
        }
    }

    pub fn finish(self) -> Result<(), DbError> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// A message being read: goes on after a bad field, so that the answer has them all.
pub struct Draft<'a> {
    kind: &'static Kind,
    lookup: Lookup<'a>,
    objections: Vec<Objection>,
}

impl<'a> Draft<'a> {
    pub fn new(kind: &'static Kind, conn: &'a mut Conn) -> Self {
        Self { kind, lookup: Lookup::new(conn), objections: Vec::new() }
    }

    pub fn field<F: Field>(&mut self, name: &str, wire: F::Wire) -> Option<F> {
        let shown = wire.shown();
        if shown.is_empty() && self.kind.field(name).is_some_and(|field| field.required) {
            self.objections.push(Objection::new(name, "", "must be given"));
            return None;
        }
        F::parse(wire, &mut self.lookup)
            .map_err(|refusal| self.objections.push(Objection::new(name, shown, refusal.0)))
            .ok()
    }

    pub fn finish(self) -> Result<Vec<Objection>, DbError> {
        self.lookup.finish()?;
        Ok(self.objections)
    }
}

/// The wire's own types.
pub trait Wire: Sized {
    fn typed(text: &str) -> Result<Self, Refusal>;
    /// Empty when nothing was given.
    fn shown(&self) -> String;
}

impl Wire for String {
    fn typed(text: &str) -> Result<Self, Refusal> {
        Ok(text.into())
    }
    fn shown(&self) -> String {
        self.clone()
    }
}

impl Wire for bool {
    fn typed(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::new("must be true or false"))
    }
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Wire for u32 {
    fn typed(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::new("must be a whole number"))
    }
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Wire for u64 {
    fn typed(text: &str) -> Result<Self, Refusal> {
        text.parse().map_err(|_| Refusal::new("must be a whole number"))
    }
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Wire for Vec<String> {
    fn typed(text: &str) -> Result<Self, Refusal> {
        Ok(text.split(' ').filter(|word| !word.is_empty()).map(Into::into).collect())
    }
    fn shown(&self) -> String {
        self.join(", ")
    }
}

impl Wire for Vec<v1::BootAttemptStage> {
    fn typed(_: &str) -> Result<Self, Refusal> {
        Err(Refusal::new("can be compared by ~ only"))
    }
    fn shown(&self) -> String {
        self.iter().map(|stage| stage.step.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Wire for Option<prost_types::Timestamp> {
    fn typed(text: &str) -> Result<Self, Refusal> {
        text.parse()
            .map(Some)
            .map_err(|_| Refusal::new("must be a time such as 2026-01-31T18:00:00Z"))
    }
    fn shown(&self) -> String {
        self.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// The condition on a field that someone typed.
pub fn typed<R, F: Field>(
    column: &'static str,
    _: fn(&R) -> &F,
    operator: Operator,
    text: &str,
    lookup: &mut Lookup<'_>,
) -> Result<Condition, Refusal> {
    F::COMPARES.check(operator)?;
    let value = match (operator, F::table()) {
        (Operator::Like, Some(table)) => {
            return Ok(Condition::Named { column, table, part: text.to_owned() });
        }
        (Operator::Like, None) => Value::Text(text.to_owned()),
        _ => F::parse(F::Wire::typed(text)?, lookup)?.store().into(),
    };
    Ok(Condition::Compare { column, operator, value })
}

/// What a filter's text is compared with where there is no database; a reference's text must be the key.
pub fn wanted<R, F: Field>(
    _: fn(&R) -> &F,
    operator: Operator,
    text: &str,
) -> Result<(Value, Option<&'static str>), Refusal> {
    F::COMPARES.check(operator)?;
    match F::table() {
        Some(table) => Ok((Value::Text(text.to_owned()), Some(table))),
        None if operator == Operator::Like => Ok((Value::Text(text.to_owned()), None)),
        None => {
            let own = F::parse(F::Wire::typed(text)?, &mut Lookup::nowhere())?;
            Ok((own.store().into(), None))
        }
    }
}

/// `F::weigh` of the field of a message that has the type `F` in the domain.
pub fn weigh<R, F: Field>(_: fn(&R) -> &F, wire: F::Wire) -> Option<Value> {
    F::weigh(wire)
}
