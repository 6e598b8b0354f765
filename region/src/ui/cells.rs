//! One value as a page shows it. The contract says what it is; the names that the whole product shares say how it looks.

use askama::{Template, filters::HtmlSafe};
use common::Timestamp;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use proto::describe::{self, Field, Kind};

use super::{
    room::Room,
    words::{self, Moment, encoded},
};

#[derive(Clone, Debug, Template)]
#[template(path = "cell.html")]
pub(super) enum Cell {
    Empty,
    Text(String),
    Muted(String),
    Code(String),
    /// Where it leads and what it says.
    Link(String, String),
    CodeLink(String, String),
    State(Tone, String),
    Time(Moment),
    Room(Room),
}

impl HtmlSafe for Cell {}

impl Cell {
    /// Without what it leads to.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text)
            | Self::Muted(text)
            | Self::Code(text)
            | Self::Link(_, text)
            | Self::CodeLink(_, text)
            | Self::State(_, text) => text,
            Self::Empty | Self::Time(_) | Self::Room(_) => "",
        }
    }
}

/// A state's shape and colour; the word stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Ok,
    Info,
    Warn,
    Bad,
    Hold,
    Off,
    Unknown,
}

impl std::fmt::Display for Tone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Hold => "hold",
            Self::Off => "off",
            Self::Unknown => "unknown",
        })
    }
}

impl HtmlSafe for Tone {}

/// Words that are states, wherever they stand.
const STATES: &[(&str, Tone)] = &[
    ("bound", Tone::Ok),
    ("finished", Tone::Ok),
    ("running", Tone::Info),
    ("stalled", Tone::Warn),
    ("offered", Tone::Info),
    ("released", Tone::Off),
    ("expired", Tone::Off),
    ("declined", Tone::Bad),
    ("info", Tone::Info),
    ("warning", Tone::Warn),
    ("error", Tone::Bad),
];

/// A switch that is a state both when it is on and when it is off.
struct Switch {
    name: &'static str,
    on: (Tone, &'static str),
    off: (Tone, &'static str),
}

const SWITCHES: &[Switch] = &[
    Switch { name: "connected", on: (Tone::Ok, "connected"), off: (Tone::Unknown, "away") },
    Switch { name: "disabled", on: (Tone::Hold, "disabled"), off: (Tone::Off, "no") },
    Switch { name: "revoked", on: (Tone::Hold, "revoked"), off: (Tone::Off, "no") },
];

/// Fields whose values line up under each other.
const FIXED_WIDTH: &[&str] = &[
    "address",
    "boot_file",
    "cidr",
    "client_id",
    "dns_servers",
    "first",
    "gateway",
    "last",
    "mac",
    "next_server",
    "ntp_servers",
    "options",
    "relay_information",
    "routes",
    "secret",
    "sha256",
    "version",
];

pub(super) fn state(word: &str) -> Option<Tone> {
    STATES.iter().find(|(known, _)| *known == word).map(|(_, tone)| *tone)
}

/// Where the page of a resource is.
pub(super) fn page_of(noun: &str, key: &str) -> String {
    let plural = describe::kind(noun).map_or(noun, |kind| kind.plural.as_str());
    format!("/{plural}/{}", encoded(key))
}

/// As much of a key as people read where its page is one click away.
pub(super) fn name(kind: &Kind, key: &str) -> String {
    match kind.noun.as_str() {
        // When it was stands beside it.
        "boot-attempt" => key.split('@').next().unwrap_or_default().to_owned(),
        _ => key.to_owned(),
    }
}

/// What stands first in a row: the resource itself.
pub(super) fn key(kind: &Kind, item: &DynamicMessage) -> Cell {
    let key = describe::meta(item, "key");
    let page = page_of(&kind.noun, &key);
    let key = name(kind, &key);
    if key.contains(|letter: char| letter.is_ascii_digit()) {
        Cell::CodeLink(page, key)
    } else {
        Cell::Link(page, key)
    }
}

pub(super) fn of(field: &Field, item: &DynamicMessage, now: Timestamp) -> Cell {
    let value = item.get_field(&field.descriptor);
    if let Value::Bool(on) = *value {
        return switch(&field.name, on);
    }
    if let Some(at) = timestamp(&value) {
        return time(&field.name, at, now);
    }
    let text = field.show(item);
    // Zero of a number is what nobody gave, but for the VLAN that has no tag.
    let unset = matches!(*value, Value::U32(0)) && field.name != "vid";
    if let (Value::U64(count), "size") = (&*value, field.name.as_str()) {
        Cell::Text(words::bytes(*count))
    } else if text.is_empty() || unset {
        Cell::Empty
    } else if !field.refers_to.is_empty() {
        Cell::Link(page_of(&field.refers_to, &text), text)
    } else if let Some(tone) = state(&text) {
        Cell::State(tone, text)
    } else if FIXED_WIDTH.contains(&field.name.as_str()) {
        Cell::Code(text)
    } else {
        Cell::Text(text)
    }
}

fn switch(name: &str, on: bool) -> Cell {
    match SWITCHES.iter().find(|known| known.name == name) {
        Some(known) => {
            let (tone, word) = if on { known.on } else { known.off };
            Cell::State(tone, word.into())
        }
        None if on => Cell::Text("yes".into()),
        None => Cell::Muted("no".into()),
    }
}

/// Ends are told as what remains, the rest as when it was.
fn time(name: &str, at: Timestamp, now: Timestamp) -> Cell {
    if at > now || matches!(name, "last_seen" | "last_used_at") {
        Cell::Time(Moment::relative(at, now))
    } else {
        Cell::Time(Moment::clock(at, now))
    }
}

/// None: not a time, or none was set.
pub(super) fn timestamp(value: &Value) -> Option<Timestamp> {
    let message = value.as_message()?;
    if message.descriptor().full_name() != "google.protobuf.Timestamp" {
        return None;
    }
    let part = |name| message.get_field_by_name(name);
    let seconds = part("seconds")?.as_i64()?;
    let nanos = part("nanos")?.as_i32()?;
    let at = Timestamp::from_seconds(seconds).shifted(i64::from(nanos) / 1000);
    (at.micros() != 0).then_some(at)
}

/// A row of a list of names and values.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) cell: Cell,
}

/// Everything that a resource has, in the contract's order; what was never set is left out.
pub(super) fn pairs(kind: &Kind, item: &DynamicMessage, now: Timestamp) -> Vec<Pair> {
    kind.fields
        .iter()
        .map(|field| Pair {
            label: words::label(&field.name),
            hint: field.about.clone(),
            cell: of(field, item, now),
        })
        .filter(|pair| !matches!(pair.cell, Cell::Empty))
        .collect()
}
