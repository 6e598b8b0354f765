//! Messages of the contract as they stand in a file: fields by name, enum values by their last word, unknown keys refused.

use prost_reflect::{
    Cardinality, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use proto::{describe::POOL, v1};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A list of VLANs.
pub(super) fn list<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<v1::DhcpVlan>, D::Error> {
    let vlan = message("hostler.v1.DhcpVlan");
    let values = List(Element::Message(vlan)).deserialize(source)?;
    let messages = values.into_iter().map(|value| {
        let message = value.as_message().expect("each element was read as a message");
        message.transcode_to().map_err(de::Error::custom)
    });
    messages.collect()
}

/// What machines boot.
pub(super) fn boot<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<Option<v1::BootConfig>, D::Error> {
    let value = Element::Message(message("hostler.v1.BootConfig")).deserialize(source)?;
    let message = value.as_message().expect("it was read as a message");
    message.transcode_to().map(Some).map_err(de::Error::custom)
}

pub(super) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(name).expect("the contract has this message")
}

/// A field's name in a file: `lease-seconds`.
pub(super) fn key(field: &FieldDescriptor) -> String {
    field.name().replace('_', "-")
}

/// What people write for a value of an enum: `primary` for `RACK_ROLE_PRIMARY`.
fn words(of: &EnumDescriptor) -> impl Iterator<Item = (String, i32)> + '_ {
    let prefix = of.values().next().map(|zero| zero.name().replace("UNSPECIFIED", ""));
    let prefix = prefix.unwrap_or_default();
    of.values().filter(|value| value.number() != 0).map(move |value| {
        let word = value.name().strip_prefix(&prefix).unwrap_or(value.name());
        (word.to_lowercase().replace('_', "-"), value.number())
    })
}

/// One value that is no list.
#[derive(Clone)]
enum Element {
    Text,
    Number,
    LargeNumber,
    Flag,
    Enum(EnumDescriptor),
    Message(MessageDescriptor),
}

struct List(Element);

impl Element {
    fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            Kind::String => Self::Text,
            Kind::Uint32 => Self::Number,
            Kind::Uint64 => Self::LargeNumber,
            Kind::Bool => Self::Flag,
            Kind::Enum(of) => Self::Enum(of),
            Kind::Message(of) => Self::Message(of),
            other @ (Kind::Double
            | Kind::Float
            | Kind::Int32
            | Kind::Int64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64
            | Kind::Bytes) => {
                unreachable!("{} is {other:?}, which configurations do not use", field.full_name())
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for Element {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        match self {
            Self::Text | Self::Enum(_) => source.deserialize_str(self),
            Self::Number => source.deserialize_u32(self),
            Self::LargeNumber => source.deserialize_u64(self),
            Self::Flag => source.deserialize_bool(self),
            Self::Message(_) => source.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Element {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text | Self::Enum(_) => "a string",
            Self::Number | Self::LargeNumber => "a whole number",
            Self::Flag => "true or false",
            Self::Message(_) => "a table",
        })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        match &self {
            Self::Text => Ok(Value::String(text.to_owned())),
            Self::Enum(of) => {
                let number = words(of).find(|(word, _)| word == text);
                number
                    .map(|(_, number)| Value::EnumNumber(number))
                    .ok_or_else(|| unknown("variant", text, words(of).map(|(word, _)| word)))
            }
            Self::Number | Self::LargeNumber | Self::Flag | Self::Message(_) => {
                Err(E::invalid_type(de::Unexpected::Str(text), &self))
            }
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        let value = match &self {
            Self::Number => u32::try_from(number).ok().map(Value::U32),
            Self::LargeNumber => u64::try_from(number).ok().map(Value::U64),
            Self::Text | Self::Flag | Self::Enum(_) | Self::Message(_) => None,
        };
        value.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        if matches!(self, Self::Flag) {
            return Ok(Value::Bool(value));
        }
        Err(E::invalid_type(de::Unexpected::Bool(value), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Self::Message(of) = self else {
            return Err(de::Error::invalid_type(de::Unexpected::Map, &self));
        };
        let mut message = DynamicMessage::new(of.clone());
        while let Some(field) = map.next_key_seed(Key(&of))? {
            let element = Element::of(&field);
            let value = if field.cardinality() == Cardinality::Repeated {
                Value::List(map.next_value_seed(List(element))?)
            } else {
                map.next_value_seed(element)?
            };
            message.set_field(&field, value);
        }
        Ok(Value::Message(message))
    }
}

/// Resolved while it is read, so that an unknown one is an error of its own line.
struct Key<'a>(&'a MessageDescriptor);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = FieldDescriptor;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<FieldDescriptor, D::Error> {
        source.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = FieldDescriptor;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<FieldDescriptor, E> {
        let field = self.0.fields().find(|field| key(field) == name);
        field.ok_or_else(|| unknown("field", name, self.0.fields().map(|field| key(&field))))
    }
}

impl<'de> DeserializeSeed<'de> for List {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Vec<Value>, D::Error> {
        source.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Value>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self.0.clone())? {
            values.push(value);
        }
        Ok(values)
    }
}

/// In serde's own words, from which the suggestion is made.
fn unknown<E: de::Error>(what: &str, typed: &str, known: impl Iterator<Item = String>) -> E {
    let known: Vec<_> = known.map(|word| format!("`{word}`")).collect();
    E::custom(format!("unknown {what} `{typed}`, expected one of {}", known.join(", ")))
}
