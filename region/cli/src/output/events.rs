//! Events, a line each: when, how grave, what, about what, by whom, and what else there is to say.

use prost_reflect::DynamicMessage;
use proto::describe::Kind;
use serde_json::Value;

use super::{
    Screen,
    screen::{DIM, RED, YELLOW},
    table::{self, width_of},
};
use crate::region::Read;

/// Columns as wide as what usually stands in them: nothing may wait for the widest.
const WIDTHS: [usize; 5] = [23, 7, 19, 20, 12];

/// How many are listed before a watch goes on, in a table.
pub(crate) const USUAL_NEWEST: u32 = 20;

pub(crate) fn is(kind: &Kind) -> bool {
    kind.noun == "event"
}

pub(crate) fn line(event: &DynamicMessage, screen: Screen) -> String {
    let level = event.text_of("level");
    let colour = match level.as_str() {
        "error" => RED,
        "warning" => YELLOW,
        _ => "",
    };
    let about = match event.text_of("key") {
        key if key.is_empty() => "-".to_owned(),
        key => key,
    };
    let cells = [moment(event), level, event.text_of("type"), about, event.text_of("actor")];
    let mut text = String::new();
    let mut wide = 0;
    for (place, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let room = width.saturating_sub(width_of(cell));
        wide += width_of(cell) + room + 2;
        text += &match place {
            0 => screen.paint(DIM, cell),
            _ => screen.paint(colour, cell),
        };
        text += &" ".repeat(room + 2);
    }
    let detail = plain(&event.text_of("detail"));
    let detail = match screen.width {
        Some(most) => table::cut(&detail, most.saturating_sub(wide).max(WIDTHS[4])),
        None => detail,
    };
    (text + &detail).trim_end().to_owned() + "\n"
}

/// UTC, to the millisecond.
fn moment(event: &DynamicMessage) -> String {
    let at = event.message_of("at").and_then(|at| at.transcode_to().ok());
    let Some(prost_types::Timestamp { seconds, nanos }) = at else { return "-".to_owned() };
    let whole = prost_types::Timestamp { seconds, nanos: 0 }.to_string();
    format!("{}.{:03}", whole.trim_end_matches('Z').replace('T', " "), nanos / 1_000_000)
}

/// A detail is a sentence or JSON; JSON is told as name=value.
fn plain(detail: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str(detail) else {
        return detail.replace(['\n', '\t'], " ");
    };
    let pair = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{name}={value}")
        }
    };
    fields.iter().map(pair).collect::<Vec<_>>().join(" ")
}
