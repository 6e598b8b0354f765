//! The log as operators read it.

use common::Objection;
use diesel::{dsl::sql, prelude::*, sql_types};
use proto::{describe, v1};
use std::str::FromStr;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    OperationError, Tx,
    filter::{self, Term},
    list::{Page, Token, page_size},
    watch::{AHEAD, Sender, Watch, Watched, parse},
};
use crate::{
    Region,
    auth::{Actor, Verb, authorise, may_see},
    db::{
        Backend, DbError,
        condition::{Condition, Operator, Value},
        schema::events as log,
    },
    events::{self, Cursor, Event, level_name, place_is},
    resources::{TABLE, field::wire_time},
};

const NOUN: &str = "event";
/// As the log orders them.
const LEVELS: [&str; 3] = ["info", "warning", "error"];

pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<v1::Event, OperationError> {
    authorise(tx.actor, NOUN, Verb::Get)?;
    let not_found = || OperationError::NotFound { noun: NOUN, id: id.to_owned() };
    let cursor = Cursor::from_str(id).map_err(|_| not_found())?;
    let event = events::find(tx.conn, cursor)?;
    let event = event.filter(|event| may_see(tx.actor, &event.kind)).ok_or_else(not_found)?;
    Ok(show(&event))
}

/// The newest first, unless asked otherwise.
pub fn list(tx: &mut Tx<'_>, request: &v1::ListRequest) -> Result<Page<v1::Event>, OperationError> {
    authorise(tx.actor, NOUN, Verb::List)?;
    let mut objections = Vec::new();
    let newest_first = match request.order_by.trim() {
        "" | "at desc" => true,
        "at" => false,
        other => {
            objections.push(Objection::new("order_by", other, "must be \"at\" or \"at desc\""));
            true
        }
    };
    let sieve = Sieve::new(&request.filter).map_err(|refused| objections.extend(refused)).ok();
    let from = match request.page_token.as_str() {
        "" => None,
        _ => Token::read(request).map_err(|objection| objections.push(objection)).ok(),
    };
    let (Some(sieve), true) = (sieve, objections.is_empty()) else {
        return Err(OperationError::Refused(objections));
    };
    let from = from.and_then(|token| match token.value {
        Value::Text(cursor) => cursor.parse().ok(),
        Value::Bool(_) | Value::Int(_) | Value::Bytes(_) => None,
    });
    let size = page_size(request);
    let (mut found, _) =
        select(tx, &sieve, Slice { from, newest_first, settled: false, limit: size as i64 + 1 })?;
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last().filter(|_| more) {
        Some(last) => Token {
            filter: request.filter.clone(),
            order_by: request.order_by.clone(),
            value: Value::Text(last.cursor.to_string()),
            id: Vec::new(),
        }
        .write(),
        None => String::new(),
    };
    Ok(Page { items: found.iter().map(show).collect(), next_page_token })
}

struct Slice {
    from: Option<Cursor>,
    newest_first: bool,
    /// Only what nothing can come before any more: a watcher goes on from there. A list shows what is committed.
    settled: bool,
    limit: i64,
}

fn select(tx: &mut Tx<'_>, sieve: &Sieve, slice: Slice) -> Result<(Vec<Event>, Cursor), DbError> {
    let horizon = events::horizon(tx.conn)?.cursor;
    let mut statement =
        log::table.select(events::Row::as_select()).limit(slice.limit).into_boxed::<Backend>();
    if slice.settled {
        statement = statement.filter(log::xid.le(horizon.xid));
    }
    if !sieve.lets_usual_through() {
        // In these words it is the condition of an index (`events_worse_than_usual`).
        statement = statement.filter(sql::<sql_types::Bool>("level > 0"));
    }
    for condition in sieve.conditions().chain(hidden(tx.actor)) {
        statement = statement.filter(condition.sql::<log::table>());
    }
    if let Some(from) = slice.from {
        let operator = if slice.newest_first { "<" } else { ">" };
        statement = statement.filter(place_is(operator, from));
    }
    let statement = match slice.newest_first {
        true => statement.order((log::xid.desc(), log::seq.desc())),
        false => statement.order((log::xid.asc(), log::seq.asc())),
    };
    let rows: Vec<events::Row> = statement.load(tx.conn)?;
    Ok((rows.into_iter().map(|row| row.event(horizon.epoch)).collect(), horizon))
}

/// Nobody learns from the log of what they may not read.
fn hidden(actor: &Actor) -> impl Iterator<Item = Condition> {
    let nouns = TABLE.iter().map(|resource| resource.kind().noun.as_str());
    nouns.filter(|noun| !may_see(actor, noun)).map(|noun| Condition::Compare {
        column: "kind",
        operator: Operator::Unequal,
        value: Value::Text(noun.to_owned()),
    })
}

pub fn watch(region: Region, actor: Actor, request: v1::WatchRequest) -> Watch<v1::Event> {
    let (to, from) = mpsc::channel(AHEAD);
    let (tasks, shutdown) = (region.tasks.clone(), region.tasks.shutdown());
    tasks.spawn_brief("watch", async move {
        let outcome = tokio::select! {
            outcome = run(&region, &actor, &request, &to) => outcome,
            () = to.closed() => return,
            () = shutdown.cancelled() => Err(OperationError::Closing),
        };
        if let Err(error) = outcome {
            let _ = to.send(Err(error)).await;
        }
    });
    from
}

async fn run(
    region: &Region,
    actor: &Actor,
    request: &v1::WatchRequest,
    to: &Sender<v1::Event>,
) -> Result<(), OperationError> {
    authorise(actor, NOUN, Verb::Watch)?;
    let sieve = Sieve::new(&request.filter).map_err(OperationError::Refused)?;
    let wanted = |event: &Event| may_see(actor, &event.kind) && sieve.holds(event);
    let from = match request.cursor.as_str() {
        "" => match past(region, actor, request, to).await? {
            Some(end) => end,
            None => return Ok(()),
        },
        cursor => parse(cursor)?,
    };
    let mut follower = region.log.follow(from);
    loop {
        let event = follower.next().await?;
        if wanted(&event) && to.send(Ok(told(&event, v1::Change::Created))).await.is_err() {
            return Ok(());
        }
    }
}

/// What there is, then the mark; how far that goes. None: the watcher is gone.
async fn past(
    region: &Region,
    actor: &Actor,
    request: &v1::WatchRequest,
    to: &Sender<v1::Event>,
) -> Result<Option<Cursor>, OperationError> {
    let mut from = None;
    let end = loop {
        let (filter, newest) = (request.filter.clone(), request.newest);
        let read = region.read(actor, move |tx| {
            let sieve = Sieve::new(&filter).map_err(OperationError::Refused)?;
            let limit = newest.map_or(STEP, |newest| i64::from(newest.min(MOST)));
            let slice = Slice { from, newest_first: newest.is_some(), settled: true, limit };
            let (mut found, end) = select(tx, &sieve, slice)?;
            if newest.is_some() {
                found.reverse();
            }
            Ok((found, end))
        });
        let (found, end) = read.await?;
        let all = request.newest.is_some() || (found.len() as i64) < STEP;
        from = found.last().map(|last| last.cursor);
        for event in found {
            if to.send(Ok(told(&event, v1::Change::Present))).await.is_err() {
                return Ok(None);
            }
        }
        if all {
            break end;
        }
    };
    let mark = Watched { cursor: end.to_string(), change: v1::Change::Current, item: None };
    Ok(to.send(Ok(mark)).await.is_ok().then_some(end))
}

/// Read at once on the way through the whole log.
const STEP: i64 = 1000;
/// As many as are held in memory for a watcher that wants the newest.
const MOST: u32 = 10_000;

fn told(event: &Event, change: v1::Change) -> Watched<v1::Event> {
    Watched { cursor: event.cursor.to_string(), change, item: Some(show(event)) }
}

fn show(event: &Event) -> v1::Event {
    let cursor = event.cursor.to_string();
    let at = Some(wire_time(event.at));
    let body = describe::kind(&event.kind).filter(|_| !event.body.is_empty());
    v1::Event {
        meta: Some(v1::Meta {
            id: cursor.clone(),
            key: cursor,
            revision: 1,
            created_at: at,
            updated_at: at,
        }),
        at,
        r#type: event.name.clone(),
        level: level_name(event.level).into(),
        kind: event.kind.clone(),
        object: event.object.map(|object| object.to_string()).unwrap_or_default(),
        key: event.key.clone(),
        actor: event.actor.clone(),
        detail: event.detail.clone(),
        body: body.map(|kind| prost_types::Any {
            type_url: format!("type.googleapis.com/{}", kind.message.full_name()),
            value: event.body.clone(),
        }),
    }
}

/// A filter over events, the same in the database and outside it.
struct Sieve(Vec<(&'static str, Operator, Value)>);

impl Sieve {
    fn new(filter: &str) -> Result<Self, Vec<Objection>> {
        let (mut wanted, mut objections) = (Vec::new(), Vec::new());
        for term in filter::terms(filter) {
            match term.and_then(|term| want(&term)) {
                Ok(one) => wanted.push(one),
                Err(objection) => objections.push(objection),
            }
        }
        if objections.is_empty() { Ok(Self(wanted)) } else { Err(objections) }
    }

    fn conditions(&self) -> impl Iterator<Item = Condition> {
        self.0.iter().map(|(column, operator, value)| Condition::Compare {
            column,
            operator: *operator,
            value: value.clone(),
        })
    }

    /// Whether an event of the lowest level may pass.
    fn lets_usual_through(&self) -> bool {
        let of_level = self.0.iter().filter(|(column, ..)| *column == "level");
        of_level.into_iter().all(|(_, operator, wanted)| operator.holds(&Value::Int(0), wanted))
    }

    fn holds(&self, event: &Event) -> bool {
        self.0.iter().all(|(column, operator, wanted)| {
            let own = match *column {
                "at" => Value::Int(event.at.micros()),
                "level" => Value::Int(level_number(level_name(event.level))),
                "object" => Value::Bytes(object_bytes(event.object)),
                "kind" => Value::Text(event.kind.clone()),
                "key" => Value::Text(event.key.clone()),
                "actor" => Value::Text(event.actor.clone()),
                "detail" => Value::Text(event.detail.clone()),
                _ => Value::Text(event.name.clone()),
            };
            operator.holds(&own, wanted)
        })
    }
}

const TEXTS: [&str; 5] = ["type", "kind", "key", "actor", "detail"];

fn want(term: &Term) -> Result<(&'static str, Operator, Value), Objection> {
    let object = |rule: &str| Objection::new(&format!("filter.{}", term.field), &term.value, rule);
    if let Some(column) = TEXTS.into_iter().find(|column| *column == term.field) {
        return Ok((column, term.operator, Value::Text(term.value.clone())));
    }
    if term.operator == Operator::Like {
        return Err(object("~ finds text: it is for type, kind, key, actor and detail"));
    }
    match term.field.as_str() {
        "at" => {
            let time: Result<prost_types::Timestamp, _> = term.value.parse();
            let time = time.map_err(|_| object("must be a time such as 2026-01-31T18:00:00Z"))?;
            let micros = time.seconds.saturating_mul(1_000_000) + i64::from(time.nanos / 1000);
            Ok(("at", term.operator, Value::Int(micros)))
        }
        "level" => match level_number(&term.value) {
            -1 => Err(object("must be info, warning or error")),
            level => Ok(("level", term.operator, Value::Int(level))),
        },
        "object" => {
            let id: Uuid = term.value.parse().map_err(|_| object("must be an id (a UUID)"))?;
            Ok(("object", term.operator, Value::Bytes(object_bytes(Some(id)))))
        }
        _ => Err(object(
            "is no field of events; these are: at, type, level, kind, object, key, actor, detail",
        )),
    }
}

/// -1: there is no such level.
fn level_number(name: &str) -> i64 {
    LEVELS.iter().position(|level| *level == name).map_or(-1, |at| at as i64)
}

fn object_bytes(object: Option<Uuid>) -> Vec<u8> {
    object.map(|object| object.as_bytes().to_vec()).unwrap_or_default()
}
