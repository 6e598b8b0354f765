//! What a watch shows: the list, then a line for each change.

use prost_reflect::DynamicMessage;
use proto::v1::Change;
use serde_json::json;

use super::{
    Form, Shape, events,
    show::{Column, header},
    table::Layout,
};

/// In a table, what happened to the row; the second is its colour.
const fn mark(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Created => ("+", super::screen::GREEN),
        Change::Updated => ("~", super::screen::YELLOW),
        Change::Deleted => ("-", super::screen::RED),
        Change::Unspecified | Change::Present | Change::Current => ("", ""),
    }
}

pub(crate) struct Feed {
    shape: Shape,
    columns: Vec<Column>,
    /// Set by the list; later rows stand under the same columns.
    layout: Option<Layout>,
}

impl Feed {
    pub(crate) fn new(shape: Shape) -> Self {
        Self { columns: shape.columns(), shape, layout: None }
    }

    /// What there is, and where the log stands then.
    pub(crate) fn present(
        &mut self,
        items: &[DynamicMessage],
        cursor: &str,
    ) -> anyhow::Result<String> {
        match self.shape.form {
            Form::Table | Form::Wide if events::is(self.shape.kind) => {
                Ok(items.iter().map(|item| events::line(item, self.shape.screen)).collect())
            }
            Form::Table | Form::Wide => Ok(self.rows(items)),
            Form::Json | Form::Fields(_) | Form::Yaml => {
                let mut text = String::new();
                for item in items {
                    text += &self.record(Change::Present, Some(item), cursor)?;
                }
                Ok(text + &self.record(Change::Current, None, cursor)?)
            }
        }
    }

    pub(crate) fn change(
        &mut self,
        change: Change,
        item: &DynamicMessage,
        cursor: &str,
    ) -> anyhow::Result<String> {
        match self.shape.form {
            Form::Table | Form::Wide if events::is(self.shape.kind) => {
                Ok(events::line(item, self.shape.screen))
            }
            Form::Table | Form::Wide => Ok(self.row(change, item)),
            Form::Json | Form::Fields(_) | Form::Yaml => self.record(change, Some(item), cursor),
        }
    }

    fn rows(&mut self, items: &[DynamicMessage]) -> String {
        let mut rows = vec![marked("", header(&self.columns))];
        rows.extend(items.iter().map(|item| marked("", self.shape.row(&self.columns, item))));
        let right = self.shape.right(&self.columns);
        let layout = Layout::fit(&rows, &right, self.shape.screen.width);
        let mut text = String::new();
        for (number, row) in rows.iter().enumerate() {
            text += &layout.line(row, |_, cell| match number {
                0 => self.shape.screen.bold(cell),
                _ => cell.to_owned(),
            });
        }
        self.layout = Some(layout);
        text
    }

    fn row(&mut self, change: Change, item: &DynamicMessage) -> String {
        let head = if self.layout.is_none() { self.rows(&[]) } else { String::new() };
        let (sign, colour) = mark(change);
        let row = marked(sign, self.shape.row(&self.columns, item));
        let paint = |_, cell: &str| self.shape.screen.paint(colour, cell);
        let line = self.layout.as_ref().map(|layout| layout.line(&row, paint));
        head + &line.unwrap_or_default()
    }

    /// A line of JSON, or a document of YAML, for programs.
    fn record(
        &self,
        change: Change,
        item: Option<&DynamicMessage>,
        cursor: &str,
    ) -> anyhow::Result<String> {
        let word = change.as_str_name().trim_start_matches("CHANGE_").to_lowercase();
        let item = item.map(|item| self.shape.value(item)).transpose()?;
        let mut record = json!({ "cursor": cursor, "change": word });
        if let (Some(record), Some(item)) = (record.as_object_mut(), item) {
            record.insert("item".to_owned(), item);
        }
        match self.shape.form {
            Form::Yaml => Ok(format!("---\n{}", serde_yaml_ng::to_string(&record)?)),
            Form::Table | Form::Wide | Form::Json | Form::Fields(_) => Ok(format!("{record}\n")),
        }
    }
}

/// The sign stands before the first cell, which is what the row is called.
fn marked(sign: &str, mut row: Vec<String>) -> Vec<String> {
    if let Some(first) = row.first_mut() {
        *first = format!("{sign:<1} {first}");
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Screen;
    use serde_json::Value;

    fn message(noun: &str, item: Value) -> DynamicMessage {
        let kind = proto::describe::kind(noun).unwrap();
        DynamicMessage::deserialize(kind.message.clone(), item).unwrap()
    }

    fn feed(noun: &str, form: Form, width: Option<usize>) -> Feed {
        let kind = proto::describe::kind(noun).unwrap();
        Feed::new(Shape { kind, form, screen: Screen { width, colour: false } })
    }

    fn fabric(name: &str, note: &str) -> DynamicMessage {
        message("fabric", json!({ "meta": { "key": name }, "name": name, "note": note }))
    }

    #[test]
    fn changes_stand_under_the_columns_of_the_list() {
        let mut feed = feed("fabric", Form::Wide, None);
        let mut text = feed.present(&[fabric("dc1", "old"), fabric("office", "-")], "1").unwrap();
        text += &feed.change(Change::Updated, &fabric("dc1", "new"), "2").unwrap();
        text += &feed.change(Change::Created, &fabric("attic", ""), "3").unwrap();
        text += &feed.change(Change::Deleted, &fabric("office", "-"), "4").unwrap();
        assert_eq!(
            text,
            "  KEY     NAME    NOTE\n  \
               dc1     dc1     old\n  \
               office  office  -\n\
             ~ dc1     dc1     new\n\
             + attic   attic   -\n\
             - office  office  -\n"
        );
    }

    #[test]
    fn programs_get_a_line_of_json_with_the_cursor() {
        let mut feed = feed("fabric", Form::Fields(vec!["name".into()]), None);
        let text = feed.present(&[fabric("dc1", "")], "1").unwrap()
            + &feed.change(Change::Deleted, &fabric("dc1", ""), "2").unwrap();
        assert_eq!(
            text,
            "{\"change\":\"present\",\"cursor\":\"1\",\"item\":{\"name\":\"dc1\"}}\n\
             {\"change\":\"current\",\"cursor\":\"1\"}\n\
             {\"change\":\"deleted\",\"cursor\":\"2\",\"item\":{\"name\":\"dc1\"}}\n"
        );
    }

    #[test]
    fn an_event_is_a_line() {
        let event = |detail: &str| {
            message(
                "event",
                json!({
                    "at": "2026-11-23T03:00:00.25Z", "type": "lease.bound", "level": "info",
                    "key": "10.0.0.5", "actor": "rack1", "detail": detail
                }),
            )
        };
        let start =
            "2026-11-23 03:00:00.250  info     lease.bound          10.0.0.5              rack1";
        for (detail, width, end) in [
            ("", None, ""),
            ("a sentence", None, "         a sentence"),
            (
                r#"{"mac":"02:00:00:00:00:01","renewed":false}"#,
                None,
                "         mac=02:00:00:00:00:01 renewed=false",
            ),
            ("a sentence that is cut", Some(101), "         a sentence …"),
        ] {
            let mut feed = feed("event", Form::Table, width);
            let line = feed.change(Change::Created, &event(detail), "1").unwrap();
            assert_eq!(line, format!("{start}{end}\n"), "{detail}");
        }
    }
}
