//! Resources as tables, JSON and YAML; which fields are columns is in the contract.

use clap::ArgMatches;
use prost_reflect::{DynamicMessage, SerializeOptions};
use proto::describe::{Field, Kind, Shown, meta};
use serde_json::{Map, Value};

use super::{Screen, table::Layout};
use crate::{failure::Failure, grammar};

/// What region sets on every resource.
const META: [&str; 5] = ["id", "key", "revision", "created_at", "updated_at"];
const NOTHING: &str = "-";

/// How the answer was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Table,
    Wide,
    Json,
    Yaml,
    /// JSON of these fields only.
    Fields(Vec<String>),
}

/// A kind in the form that was asked for.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) kind: &'static Kind,
    pub(crate) form: Form,
    pub(crate) screen: Screen,
}

impl Shape {
    pub(crate) fn of(
        kind: &'static Kind,
        arguments: &ArgMatches,
        screen: Screen,
    ) -> anyhow::Result<Self> {
        let form = match arguments.get_many::<String>("json") {
            Some(fields) => Form::Fields(known(kind, fields)?),
            None => match grammar::word(arguments, "output").as_str() {
                "wide" => Form::Wide,
                "json" => Form::Json,
                "yaml" => Form::Yaml,
                _ => Form::Table,
            },
        };
        Ok(Self { kind, form, screen })
    }

    /// One resource: its fields below each other, or the whole of it.
    pub(crate) fn one(&self, item: &DynamicMessage) -> anyhow::Result<String> {
        match self.form {
            Form::Table | Form::Wide => Ok(self.card(item)),
            Form::Json | Form::Fields(_) => pretty(&self.value(item)?),
            Form::Yaml => Ok(serde_yaml_ng::to_string(&self.value(item)?)?),
        }
    }

    pub(crate) fn many(&self, items: &[DynamicMessage]) -> anyhow::Result<String> {
        let values = || items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>();
        match self.form {
            Form::Table | Form::Wide => Ok(self.table(items)),
            Form::Json | Form::Fields(_) => pretty(&Value::Array(values()?)),
            Form::Yaml => Ok(serde_yaml_ng::to_string(&values()?)?),
        }
    }

    /// The resource, or those fields of it that were asked for.
    pub(crate) fn value(&self, item: &DynamicMessage) -> anyhow::Result<Value> {
        let all = json(item)?;
        let Form::Fields(fields) = &self.form else { return Ok(all) };
        let value = |name: &String| {
            let found = all.get(name).or_else(|| all.get("meta")?.get(name));
            (name.clone(), found.cloned().unwrap_or(Value::Null))
        };
        Ok(Value::Object(fields.iter().map(value).collect::<Map<_, _>>()))
    }

    fn table(&self, items: &[DynamicMessage]) -> String {
        let columns = self.columns();
        let mut rows = vec![header(&columns)];
        rows.extend(items.iter().map(|item| self.row(&columns, item)));
        set(&rows, &self.right(&columns), self.screen)
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        let most = if self.form == Form::Wide { Shown::Wide } else { Shown::Column };
        let shown = |field: &&Field| field.shown <= most && field.shown != Shown::Detail;
        let fields = self.kind.fields.iter().filter(shown).map(Column::Field);
        // A kind whose own field is called so means that one.
        let key = self.kind.field("key").is_none().then_some(Column::Meta("key"));
        key.into_iter().chain(fields).collect()
    }

    pub(crate) fn row(&self, columns: &[Column], item: &DynamicMessage) -> Vec<String> {
        columns.iter().map(|column| column.cell(item)).collect()
    }

    pub(crate) fn right(&self, columns: &[Column]) -> Vec<bool> {
        columns.iter().map(Column::is_number).collect()
    }

    fn card(&self, item: &DynamicMessage) -> String {
        let own = |name: &&str| self.kind.field(name).is_none();
        let metas = |names: &'static [&str]| names.iter().copied().filter(own).map(Column::Meta);
        let (before, after) = META.split_at(2);
        // A secret is in one answer only; elsewhere its line would be empty for ever.
        let known = |field: &&Field| !field.secret || item.has_field(&field.descriptor);
        let fields = self.kind.fields.iter().filter(known).map(Column::Field);
        let columns = metas(before).chain(fields).chain(metas(after));
        let rows: Vec<Vec<String>> =
            columns.map(|column| vec![column.name().to_owned(), column.cell(item)]).collect();
        let layout = Layout::fit(&rows, &[], None);
        let style = |column: usize, cell: &str| match column {
            0 => self.screen.bold(cell),
            _ => cell.to_owned(),
        };
        rows.iter().map(|row| layout.line(row, style)).collect()
    }
}

/// What stands in a column: a field of the kind, or what region sets on every kind.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Meta(&'static str),
    Field(&'static Field),
}

impl Column {
    fn name(&self) -> &'static str {
        match self {
            Self::Meta(name) => name,
            Self::Field(field) => &field.name,
        }
    }

    fn cell(&self, item: &DynamicMessage) -> String {
        let text = match self {
            Self::Meta(name) => meta(item, name),
            Self::Field(field) => field.show(item),
        };
        if text.is_empty() { NOTHING.into() } else { text.replace(['\n', '\t'], " ") }
    }

    fn is_number(&self) -> bool {
        use prost_reflect::Kind;
        let numbers = [Kind::Int32, Kind::Int64, Kind::Uint32, Kind::Uint64];
        match self {
            Self::Meta(_) => false,
            Self::Field(field) => !field.is_list() && numbers.contains(&field.descriptor.kind()),
        }
    }
}

/// Rows under a header that are of no kind.
pub(crate) fn plain_table(rows: &[Vec<String>], screen: Screen) -> String {
    let mut rows = rows.to_vec();
    if let Some(head) = rows.first_mut() {
        head.iter_mut().for_each(|name| *name = name.to_uppercase());
    }
    set(&rows, &[], screen)
}

fn set(rows: &[Vec<String>], right: &[bool], screen: Screen) -> String {
    let layout = Layout::fit(rows, right, screen.width);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text += &layout.line(row, |_, cell| match number {
            0 => screen.bold(cell),
            _ => cell.to_owned(),
        });
    }
    text
}

/// A message as JSON with the contract's own field names, 64-bit numbers as numbers.
pub(crate) fn json(item: &DynamicMessage) -> anyhow::Result<Value> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    Ok(item.serialize_with_options(serde_json::value::Serializer, &options)?)
}

pub(crate) fn header(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name().replace('_', " ").to_uppercase()).collect()
}

fn pretty(value: &Value) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn known<'a>(kind: &Kind, fields: impl Iterator<Item = &'a String>) -> anyhow::Result<Vec<String>> {
    let fields: Vec<String> = fields.map(|name| name.trim().replace('-', "_")).collect();
    let is_known = |name: &&String| kind.field(name).is_some() || META.contains(&name.as_str());
    let unknown: Vec<&str> =
        fields.iter().filter(|name| !is_known(name)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(fields);
    }
    let names = kind.fields.iter().map(|field| field.name.as_str());
    let all: Vec<&str> = META.into_iter().chain(names).collect();
    Err(Failure::usage(format!(
        "--json {}: a {} has no such field; these are its fields: {}",
        unknown.join(","),
        kind.noun,
        all.join(", ")
    )))
}
