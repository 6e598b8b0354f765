//! How a boot went: each stage as a bar in time, and as a row that says the same.

mod usual;

use askama::{Template, filters::HtmlSafe};
use common::Timestamp;
use proto::v1::{BootAttempt, BootAttemptStage};

use super::{
    cells::{Cell, Tone},
    racks::time,
    words::{self, Moment},
};
use usual::{Usual, place};

/// One boot, in both forms.
pub(super) struct Trace {
    pub(super) drawing: Drawing,
    pub(super) rows: Vec<Row>,
    /// Some stage of the machine's earlier boots is known, so that there is a column for it.
    pub(super) has_usual: bool,
    /// It goes on, and the page with it.
    pub(super) is_growing: bool,
}

/// A stage as a row of the table.
pub(super) struct Row {
    pub(super) name: Cell,
    pub(super) at: Option<Moment>,
    pub(super) after: String,
    pub(super) took: String,
    pub(super) usual: String,
    pub(super) sent: String,
    pub(super) what: String,
}

/// A row for each stage: texts that flow as the page is wide, and between them a picture in which `x` and `width` are hundredths of the whole.
#[derive(Template)]
#[template(path = "waterfall.html")]
pub(super) struct Drawing {
    label: String,
    ticks: Vec<Tick>,
    bars: Vec<Bar>,
    has_usual: bool,
    /// What is to be said of the stages that were not reached.
    rest: Option<&'static str>,
}

impl HtmlSafe for Drawing {}

/// A line of the scale.
struct Tick {
    x: f64,
    said: String,
    /// Which end of its word the line is at, so that none is cut off.
    anchor: &'static str,
}

struct Bar {
    name: String,
    tone: &'static str,
    x: f64,
    width: f64,
    /// The bar's own classes.
    shape: &'static str,
    is_dashed: bool,
    took: String,
    /// How long it mostly takes, and where that ends.
    usual: Option<(f64, String)>,
    note: String,
}

/// How a stage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The next began.
    Next,
    /// It goes on.
    Open,
    /// Nothing more was heard.
    Silent,
    /// The boot was over with it.
    Over,
}

/// A stage in microseconds since the first packet.
#[derive(Debug, PartialEq, Eq)]
struct Span<'a> {
    step: &'a str,
    detail: &'a str,
    bytes: u64,
    from: i64,
    until: i64,
    end: End,
    usual: Option<i64>,
}

/// In a word, for the name of the machine or of the attempt.
pub(super) fn verdict(attempt: &BootAttempt) -> (Tone, String) {
    let stage = if attempt.stage.is_empty() { "the first packet" } else { &attempt.stage };
    match attempt.outcome.as_str() {
        "finished" => (Tone::Ok, "booted".into()),
        "stalled" => (Tone::Warn, format!("stalled at {stage}")),
        _ => (Tone::Info, format!("booting, {stage}")),
    }
}

/// How long it took, takes until now, or was waited for.
pub(super) fn length(attempt: &BootAttempt, now: Timestamp) -> i64 {
    let (began, heard) = (micros(attempt.started_at), micros(attempt.heard_at));
    let until = match attempt.outcome.as_str() {
        "finished" => heard,
        // Its rack gave it up then, and nothing is told of an attempt after that.
        "stalled" => heard.max(micros(attempt.meta.as_ref().and_then(|meta| meta.updated_at))),
        _ => heard.max(now.micros()),
    };
    until.saturating_sub(began)
}

fn micros(at: Option<prost_types::Timestamp>) -> i64 {
    time(at).map_or(0, Timestamp::micros)
}

impl Trace {
    /// `earlier` are boots of the same machine; those that went well say how long a stage mostly takes.
    pub(super) fn of(attempt: &BootAttempt, earlier: &[BootAttempt], now: Timestamp) -> Self {
        let spans = spans(attempt, &Usual::of(earlier), now);
        let has_usual = spans.iter().any(|span| span.usual.is_some());
        let rows = attempt.stages.iter().zip(&spans);
        let rows = rows.map(|(stage, span)| row(span, time(stage.at), now)).collect();
        let is_growing = attempt.outcome == "running";
        Self { drawing: Drawing::of(attempt, &spans, now), rows, has_usual, is_growing }
    }
}

fn spans<'a>(attempt: &'a BootAttempt, usual: &Usual, now: Timestamp) -> Vec<Span<'a>> {
    let (began, whole) = (micros(attempt.started_at), length(attempt, now));
    let stages = &attempt.stages;
    let from = |stage: &BootAttemptStage| micros(stage.at).saturating_sub(began);
    let last = match attempt.outcome.as_str() {
        "finished" => End::Over,
        "stalled" => End::Silent,
        _ => End::Open,
    };
    let span = |(at, stage): (usize, &'a BootAttemptStage)| {
        let next = stages.get(at + 1).map(from);
        Span {
            step: &stage.step,
            detail: &stage.detail,
            bytes: stage.bytes,
            from: from(stage),
            until: next.unwrap_or(whole).max(from(stage)),
            end: if next.is_some() { End::Next } else { last },
            usual: usual.find(&stage.step, place(stages, at)),
        }
    };
    stages.iter().enumerate().map(span).collect()
}

impl Span<'_> {
    fn took(&self) -> i64 {
        self.until - self.from
    }

    /// Twice as long as usual, and so long that somebody notices.
    fn is_slow(&self) -> bool {
        self.usual.is_some_and(|usual| self.took() > 2 * usual && self.took() - usual > NOTICED)
    }

    fn name(&self) -> String {
        words::label(self.step)
    }

    fn said_took(&self) -> String {
        if self.end == End::Over { String::new() } else { words::took(self.took()) }
    }

    fn sent(&self) -> String {
        if self.bytes == 0 { String::new() } else { words::bytes(self.bytes) }
    }

    fn note(&self) -> String {
        let parts = [
            match self.end {
                End::Silent => "no word since".to_owned(),
                End::Open => "goes on".to_owned(),
                End::Next | End::Over => String::new(),
            },
            self.detail.to_owned(),
            self.sent(),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    /// As a sentence about it goes on.
    fn told(&self) -> String {
        let name = self.name();
        let what = if self.detail.is_empty() { name } else { format!("{name} ({})", self.detail) };
        let took = words::took(self.took());
        match self.end {
            End::Next if self.is_slow() => {
                let usual = words::took(self.usual.unwrap_or_default());
                format!("{what} took {took}, usually {usual}")
            }
            End::Next => format!("{what} took {took}"),
            End::Open => format!("{what} goes on since {took}"),
            End::Silent => {
                format!("{what} was the last that was heard, {took} before it was given up")
            }
            End::Over => format!("{what} was the end of it"),
        }
    }
}

const NOTICED: i64 = 500_000;

fn row(span: &Span<'_>, at: Option<Timestamp>, now: Timestamp) -> Row {
    let name = match span.end {
        End::Silent => Cell::State(Tone::Warn, span.name()),
        End::Open => Cell::State(Tone::Info, span.name()),
        End::Next | End::Over if span.is_slow() => Cell::State(Tone::Warn, span.name()),
        End::Next | End::Over => Cell::State(Tone::Ok, span.name()),
    };
    Row {
        name,
        at: at.map(|at| Moment::clock(at, now)),
        after: words::took(span.from),
        took: span.said_took(),
        usual: span.usual.map(words::took).unwrap_or_default(),
        sent: span.sent(),
        what: span.detail.to_owned(),
    }
}

impl Drawing {
    fn of(attempt: &BootAttempt, spans: &[Span<'_>], now: Timestamp) -> Self {
        let whole = length(attempt, now).max(100_000);
        let scale = Scale { whole };
        let bars = spans.iter().map(|span| bar(span, scale));
        let rest = match spans.last().map(|span| span.end) {
            Some(End::Open) => Some("not reached yet"),
            Some(End::Silent) => Some("never reached"),
            Some(End::Next | End::Over) | None => None,
        };
        Self {
            label: story(attempt, spans, now),
            ticks: ticks(whole).map(|at| scale.tick(at)).collect(),
            bars: bars.collect(),
            has_usual: spans.iter().any(|span| span.usual.is_some()),
            rest,
        }
    }
}

#[derive(Clone, Copy)]
struct Scale {
    whole: i64,
}

impl Scale {
    /// In hundredths of the whole, as exact as a screen is.
    fn x(self, at: i64) -> f64 {
        let share = at as f64 / self.whole as f64;
        (share.clamp(0.0, 1.0) * 10_000.0).round() / 100.0
    }

    fn tick(self, at: i64) -> Tick {
        let x = self.x(at);
        let anchor = match x {
            ..4.0 => "start",
            ..96.0 => "middle",
            _ => "end",
        };
        Tick { x, said: tick(at), anchor }
    }
}

/// Of a bar that shall be seen.
const THINNEST: f64 = 0.4;

fn bar(span: &Span<'_>, scale: Scale) -> Bar {
    let (x, end) = (scale.x(span.from), scale.x(span.until));
    let (shape, tone) = match span.end {
        End::Silent => ("f-none k-warn", "warn"),
        End::Open => ("f-soft k-acc", "info"),
        End::Next | End::Over if span.is_slow() => ("f-warn", "warn"),
        End::Next | End::Over => ("f-lease", ""),
    };
    let within = |usual: &i64| span.from + usual <= scale.whole;
    Bar {
        name: span.name(),
        tone,
        x: x.min(100.0 - THINNEST),
        width: ((end - x).max(THINNEST) * 100.0).round() / 100.0,
        shape,
        is_dashed: matches!(span.end, End::Silent | End::Open),
        took: span.said_took(),
        usual: span
            .usual
            .filter(within)
            .map(|usual| (scale.x(span.from + usual), words::took(usual))),
        note: span.note(),
    }
}

/// What the drawing shows, for who does not see it.
fn story(attempt: &BootAttempt, spans: &[Span<'_>], now: Timestamp) -> String {
    let who = if attempt.machine.is_empty() { &attempt.mac } else { &attempt.machine };
    let took = words::took(length(attempt, now));
    let how = match attempt.outcome.as_str() {
        "finished" => format!("took {took}"),
        "stalled" => format!("stalled at {}: {}", attempt.stage, attempt.cause),
        _ => format!("goes on since {took}"),
    };
    let stages: Vec<String> = spans.iter().map(Span::told).collect();
    format!("The boot of {who} {how}. {}.", stages.join("; "))
}

/// Between lines of the scale, in microseconds.
const STEPS: [i64; 13] = [
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
];
const HOUR: i64 = 3_600_000_000;
const MOST_TICKS: i64 = 7;

fn ticks(whole: i64) -> impl Iterator<Item = i64> {
    let wide_enough = STEPS.into_iter().find(|step| whole / step <= MOST_TICKS);
    // A machine may lie in its loader for days.
    let step = wide_enough.unwrap_or((whole / MOST_TICKS / HOUR + 1) * HOUR);
    (0..=whole / step).map(move |count| count * step)
}

fn tick(at: i64) -> String {
    let (seconds, tenths) = (at / 1_000_000, at % 1_000_000 / 100_000);
    match (seconds, tenths) {
        (7200.., _) if seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        (60.., _) if seconds % 60 == 0 => format!("{} min", seconds / 60),
        (_, 0) => format!("{seconds} s"),
        _ => format!("{seconds}.{tenths} s"),
    }
}

#[cfg(test)]
mod tests;
