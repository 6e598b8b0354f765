//! Filling in and reading dynamic messages, so that a request reads as a sentence.

use prost_reflect::{DynamicMessage, Value};
use proto::v1;

/// A field that the message does not have is passed over.
pub(crate) trait Fill {
    fn text(&mut self, field: &str, text: &str) -> &mut Self;
    fn number(&mut self, field: &str, number: u32) -> &mut Self;
    /// A count where the contract has a signed number.
    fn size(&mut self, field: &str, size: usize) -> &mut Self;
    fn message(&mut self, field: &str, message: DynamicMessage) -> &mut Self;
    fn mask(&mut self, fields: &[String]) -> &mut Self;
    fn write(&mut self, write: &v1::Write) -> &mut Self;
}

impl Fill for DynamicMessage {
    fn text(&mut self, field: &str, text: &str) -> &mut Self {
        self.set_field_by_name(field, Value::String(text.to_owned()));
        self
    }

    fn number(&mut self, field: &str, number: u32) -> &mut Self {
        self.set_field_by_name(field, Value::U32(number));
        self
    }

    fn size(&mut self, field: &str, size: usize) -> &mut Self {
        self.set_field_by_name(field, Value::I32(i32::try_from(size).unwrap_or(i32::MAX)));
        self
    }

    fn message(&mut self, field: &str, message: DynamicMessage) -> &mut Self {
        self.set_field_by_name(field, Value::Message(message));
        self
    }

    fn mask(&mut self, fields: &[String]) -> &mut Self {
        let paths = Value::List(fields.iter().cloned().map(Value::String).collect());
        if let Some(Value::Message(mask)) = self.get_field_by_name_mut("mask") {
            mask.set_field_by_name("paths", paths);
        }
        self
    }

    fn write(&mut self, write: &v1::Write) -> &mut Self {
        self.message("write", proto::masks::to_dynamic(write))
    }
}

pub(crate) trait Read {
    /// Empty when the field is empty, unknown or no text.
    fn text_of(&self, field: &str) -> String;
    fn message_of(&self, field: &str) -> Option<DynamicMessage>;
    fn messages_of(&self, field: &str) -> Vec<DynamicMessage>;
}

impl Read for DynamicMessage {
    fn text_of(&self, field: &str) -> String {
        let value = self.get_field_by_name(field);
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    fn message_of(&self, field: &str) -> Option<DynamicMessage> {
        self.has_field_by_name(field)
            .then(|| self.get_field_by_name(field)?.as_message().cloned())
            .flatten()
    }

    fn messages_of(&self, field: &str) -> Vec<DynamicMessage> {
        let value = self.get_field_by_name(field);
        let items = value.as_ref().and_then(|value| value.as_list()).unwrap_or_default();
        items.iter().filter_map(|item| item.as_message().cloned()).collect()
    }
}
