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
