//! `vlan=dc1/10,vid>100,note~office`: conditions that must all hold, in the database for lists, outside it for watches.

use common::Objection;
use prost::Message;
use uuid::Uuid;

use super::{OperationError, Tx, erased, kind};
use crate::{
    db::{
        condition::{Condition, Operator, Value},
        names::{self, Names},
    },
    events::Event,
    resources::{Resource, field::Lookup},
};

/// One condition as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub field: String,
    pub operator: Operator,
    pub value: String,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::Unequal),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("=", Operator::Equal),
    ("<", Operator::Below),
    (">", Operator::Above),
    ("~", Operator::Like),
];

pub fn terms(filter: &str) -> impl Iterator<Item = Result<Term, Objection>> {
    filter.split(',').map(str::trim).filter(|term| !term.is_empty()).map(term)
}

fn term(text: &str) -> Result<Term, Objection> {
    let wrong = || {
        let rule = "must be a field, one of = != < <= > >= ~, and a value";
        Objection::new("filter", text, rule)
    };
    let at = text.find(['!', '=', '<', '>', '~']).ok_or_else(wrong)?;
    let (field, rest) = text.split_at(at);
    let found = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign));
    let (sign, operator) = found.ok_or_else(wrong)?;
    let value = rest[sign.len()..].trim().to_owned();
    Ok(Term { field: field.trim().to_owned(), operator: *operator, value })
}

impl Term {
    fn object(&self, refusal: common::Refusal) -> Objection {
        Objection::new(&format!("filter.{}", self.field), &self.value, refusal.0)
    }
}

pub(super) fn condition<R: Resource>(
    term: &Term,
    lookup: &mut Lookup<'_>,
) -> Result<Condition, Objection> {
    if term.field == "key" {
        let value = Value::Text(term.value.clone());
        return Ok(Condition::Compare { column: "key", operator: term.operator, value });
    }
    R::condition(&term.field, term.operator, &term.value, lookup)
        .or_else(|| R::by_what_names_it(&term.field, term.operator, &term.value))
        .unwrap_or_else(|| return_unknown::<R, Condition>(term))
        .map_err(|refusal| term.object(refusal))
}

fn return_unknown<R: Resource, T>(_: &Term) -> Result<T, common::Refusal> {
    let fields: Vec<&str> = kind::<R>().fields.iter().map(|field| field.name.as_str()).collect();
    let rule = format!("is no field of this kind; these are: key, {}", fields.join(", "));
    Err(common::Refusal::new(rule))
}

/// A filter outside the database, over messages as events carry them.
pub(super) struct Sieve<R> {
    wanted: Vec<Wanted>,
    of: std::marker::PhantomData<fn() -> R>,
}

struct Wanted {
    field: String,
    operator: Operator,
    value: Value,
    /// Of a reference: what the key in `value` is the key of, whatever it is called later.
    names: Option<Uuid>,
}

impl<R: Resource> Sieve<R> {
    pub(super) fn new(tx: &mut Tx<'_>, filter: &str) -> Result<Self, OperationError> {
        let (mut wanted, mut objections) = (Vec::new(), Vec::new());
        for term in terms(filter) {
            match term {
                Ok(term) => match Self::want(tx, &term)? {
                    Ok(one) => wanted.push(one),
                    Err(objection) => objections.push(objection),
                },
                Err(objection) => objections.push(objection),
            }
        }
        match objections.is_empty() {
            true => Ok(Self { wanted, of: std::marker::PhantomData }),
            false => Err(OperationError::Refused(objections)),
        }
    }

    fn want(tx: &mut Tx<'_>, term: &Term) -> Result<Result<Wanted, Objection>, OperationError> {
        let want = |value, names| Wanted {
            field: term.field.clone(),
            operator: term.operator,
            value,
            names,
        };
        if term.field == "key" {
            return Ok(Ok(want(Value::Text(term.value.clone()), None)));
        }
        let found = R::wanted(&term.field, term.operator, &term.value)
            .unwrap_or_else(|| return_unknown::<R, _>(term));
        let (value, table) = match found {
            Ok(found) => found,
            Err(refusal) => return Ok(Err(term.object(refusal))),
        };
        let Some(table) = table.filter(|_| term.operator != Operator::Like) else {
            return Ok(Ok(want(value, None)));
        };
        let Some(id) = names::find(tx.conn, table, &term.value)? else {
            return Ok(Err(term.object(common::Refusal::new("is not there"))));
        };
        let mut names = Names::default();
        names.learn(tx.conn, [(table, id)])?;
        Ok(Ok(want(Value::Text(names.key(id)), Some(id))))
    }

    pub(super) fn is_open(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn holds(&self, item: &R::Wire) -> bool {
        self.wanted.iter().all(|wanted| {
            let own = match wanted.field.as_str() {
                "key" => erased::meta(item).map(|meta| Value::Text(meta.key)),
                field => R::weigh(item, field),
            };
            own.is_some_and(|own| wanted.operator.holds(&own, &wanted.value))
        })
    }

    /// Follows what it names under a new name.
    pub(super) fn hear(&mut self, event: &Event) {
        for wanted in self.wanted.iter_mut().filter(|wanted| wanted.names.is_some()) {
            if wanted.names == event.object && !event.key.is_empty() {
                wanted.value = Value::Text(event.key.clone());
            }
        }
    }
}

/// The resource that an event carries.
pub(super) fn body<R: Resource>(event: &Event) -> Option<R::Wire> {
    R::Wire::decode(event.body.as_slice()).ok().filter(|_| !event.body.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_they_are_typed() {
        let rows = [
            ("vlan=dc1/10", Some(("vlan", Operator::Equal, "dc1/10"))),
            ("vid >= 100", Some(("vid", Operator::AtLeast, "100"))),
            ("note~a=b", Some(("note", Operator::Like, "a=b"))),
            ("cidr!=10.0.0.0/8", Some(("cidr", Operator::Unequal, "10.0.0.0/8"))),
            ("note=", Some(("note", Operator::Equal, ""))),
            ("note", None),
            ("note!x", None),
        ];
        for (text, expected) in rows {
            let read = terms(text).next().unwrap().ok();
            let read =
                read.as_ref().map(|term| (term.field.as_str(), term.operator, term.value.as_str()));
            assert_eq!(read, expected, "{text}");
        }
        assert_eq!(terms(" , ").count(), 0);
    }
}
