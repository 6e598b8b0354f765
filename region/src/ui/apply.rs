//! Many resources from one file: what `hostler apply` does, with its plan as the page between.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::{extract::State, http::StatusCode, response::Response};
use common::Objection;
use prost::Message;
use proto::{
    describe,
    documents::{self, Placed},
    v1,
};
use std::collections::BTreeMap;

use super::{
    Console, Fault,
    cells::{self, Cell},
    frame::{self, Frame},
    history::Line,
    preview,
    query::{Query, Typed},
    visitor::Visitor,
    words,
};
use crate::{
    auth::{Verb, authorise},
    operations::{OperationError, Tx, apply, effects},
};

/// Where the page is.
pub(super) const PATH: &str = "/apply";
/// As much as the API takes in one message.
pub(super) const LONGEST_FILE: usize = 4 * 1024 * 1024;

#[derive(Template)]
#[template(path = "apply.html")]
struct ApplyPage {
    frame: Frame,
    text: String,
    faults: Vec<FileFault>,
}

/// What stands in the way, and where in the file.
struct FileFault {
    /// None: it is about the whole of it.
    line: Option<usize>,
    source: String,
    said: String,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    frame: Frame,
    /// What was planned is what is done now.
    done: bool,
    /// It is not what was planned before.
    moved: bool,
    text: String,
    message: String,
    fingerprint: String,
    objects: Vec<Object>,
    created: usize,
    changed: usize,
    same: usize,
    racks: Vec<(Cell, Cell)>,
    leases: u64,
}

struct Object {
    verb: &'static str,
    noun: String,
    name: Cell,
    lines: Vec<Line>,
}

/// Whom the whole of a file concerns.
#[derive(Default)]
struct Concerned {
    racks: BTreeMap<String, bool>,
    leases: u64,
}

/// A file that somebody sent.
struct Sheet {
    console: Console,
    visitor: Visitor,
    text: String,
    message: String,
}

pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Fault> {
    authorise(&visitor.actor, "apply", Verb::Apply)?;
    let sheet = Sheet { console, visitor, text: String::new(), message: String::new() };
    sheet.form(Vec::new())
}

pub(super) async fn send(
    State(console): State<Console>,
    visitor: Visitor,
    query: Query,
    typed: Typed,
) -> Result<Response, Fault> {
    authorise(&visitor.actor, "apply", Verb::Apply)?;
    let file = typed.word("file");
    let text = if file.is_empty() { typed.word("text") } else { file };
    let (text, message) = (text.to_owned(), typed.word("message").to_owned());
    let sheet = Sheet { console, visitor, text, message };
    match query.get("do") {
        "plan" => sheet.plan(false).await,
        "edit" => sheet.form(Vec::new()),
        "apply" => sheet.apply(typed.word("plan")).await,
        _ => Err(Fault::no_page(PATH)),
    }
}

impl Sheet {
    fn frame(&self) -> Frame {
        let now = self.console.region.clock.now();
        Frame::new(&self.visitor, &[(&words::label("apply"), PATH)], now)
            .command("hostler plan -f FILE; hostler apply -f FILE")
    }

    fn form(&self, faults: Vec<FileFault>) -> Result<Response, Fault> {
        let status =
            if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        frame::render_as(
            status,
            &ApplyPage { frame: self.frame(), text: self.text.clone(), faults },
        )
    }

    /// What the file would do, by doing it and taking it back.
    async fn plan(&self, moved: bool) -> Result<Response, Fault> {
        let placed = match self.read() {
            Ok(placed) => placed,
            Err(faults) => return self.form(faults),
        };
        let request = self.request(&placed);
        let tried = self.console.region.write_if(false, &self.visitor.actor, move |tx| {
            let outcomes = apply::apply(tx, &request)?;
            let concerned = concerned(tx, &outcomes)?;
            Ok((outcomes, concerned))
        });
        match tried.await {
            Ok(((outcomes, concerned), _)) => {
                let page = PlanPage { moved, ..self.page(&outcomes, concerned) };
                let status = if moved { StatusCode::CONFLICT } else { StatusCode::OK };
                frame::render_as(status, &page)
            }
            Err(error) => self.refused(error, &placed),
        }
    }

    /// Does what was planned, and nothing else.
    async fn apply(&self, planned: &str) -> Result<Response, Fault> {
        let placed = match self.read() {
            Ok(placed) => placed,
            Err(faults) => return self.form(faults),
        };
        let (request, planned) = (self.request(&placed), planned.to_owned());
        let done = self.console.region.write(&self.visitor.actor, move |tx| {
            let outcomes = apply::apply(tx, &request)?;
            if fingerprint(&outcomes) != planned {
                return Err(OperationError::RolledBack);
            }
            let concerned = concerned(tx, &outcomes)?;
            Ok((outcomes, concerned))
        });
        match done.await {
            Ok((outcomes, concerned)) => {
                let page = PlanPage { done: true, ..self.page(&outcomes, concerned) };
                frame::render(&page)
            }
            Err(OperationError::RolledBack) => self.plan(true).await,
            Err(error) => self.refused(error, &placed),
        }
    }

    fn read(&self) -> Result<Vec<Placed>, Vec<FileFault>> {
        let fault = |line, said: String| FileFault { line, source: self.source(line), said };
        match documents::read(&self.text) {
            Ok(placed) if placed.is_empty() => {
                Err(vec![fault(None, "There is no document in it.".into())])
            }
            Ok(placed) => Ok(placed),
            Err(wrong) => {
                Err(wrong.into_iter().map(|one| fault(Some(one.line), one.said)).collect())
            }
        }
    }

    fn source(&self, line: Option<usize>) -> String {
        let line = line.and_then(|line| self.text.lines().nth(line.checked_sub(1)?));
        line.unwrap_or_default().trim_end().to_owned()
    }

    fn request(&self, placed: &[Placed]) -> v1::ApplyRequest {
        let write = v1::Write { message: self.message.clone(), ..v1::Write::default() };
        let documents = placed.iter().map(|placed| placed.document.clone()).collect();
        v1::ApplyRequest { documents, write: Some(write) }
    }

    /// What was typed is lost only where region itself is not well.
    fn refused(&self, error: OperationError, placed: &[Placed]) -> Result<Response, Fault> {
        if matches!(error, OperationError::Db(_) | OperationError::Closing) {
            return Err(error.into());
        }
        let faults = if let OperationError::Refused(objections) = &error {
            objections.iter().map(|objection| self.objected(objection, placed)).collect()
        } else {
            vec![FileFault { line: None, source: String::new(), said: error.to_string() }]
        };
        self.form(faults)
    }

    fn objected(&self, objection: &Objection, placed: &[Placed]) -> FileFault {
        let Some((document, field)) = documents::about(placed, &objection.field) else {
            return FileFault { line: None, source: String::new(), said: objection.to_string() };
        };
        let (line, noun) = (Some(document.line_of(field)), words::noun(&document.kind.noun));
        let said = match objection.value.as_str() {
            "" => format!("{noun}, {field}: {}", objection.rule),
            value => format!("{noun}, {field}: {value} {}", objection.rule),
        };
        FileFault { line, source: self.source(line), said }
    }

    fn page(&self, outcomes: &[v1::Outcome], concerned: Concerned) -> PlanPage {
        let count = |verb: &str| outcomes.iter().filter(|outcome| outcome.verb == verb).count();
        let differing = outcomes.iter().filter(|outcome| outcome.verb != "same");
        PlanPage {
            frame: self.frame(),
            done: false,
            moved: false,
            text: self.text.clone(),
            message: self.message.clone(),
            fingerprint: fingerprint(outcomes),
            objects: differing.map(object).collect(),
            created: count("create"),
            changed: count("update"),
            same: count("same"),
            racks: concerned.racks.iter().map(preview::rack).collect(),
            leases: concerned.leases,
        }
    }
}

/// What region sets by itself is no news; a secret is told once it is true.
fn object(outcome: &v1::Outcome) -> Object {
    let kind = describe::kind(&outcome.kind);
    let is_shown =
        |name: &str| kind.is_some_and(|kind| kind.settable().any(|field| field.name == name));
    let lines = outcome.differences.iter().filter(|one| is_shown(&one.field));
    let lines = lines.map(|one| Line {
        field: words::label(&one.field),
        before: one.before.clone(),
        after: one.after.clone(),
    });
    Object {
        verb: if outcome.verb == "create" { "create" } else { "change" },
        noun: words::noun(&outcome.kind),
        name: Cell::Link(cells::page_of(&outcome.kind, &outcome.key), outcome.key.clone()),
        lines: lines.collect(),
    }
}

/// Of what a file does: the same as long as nobody else changes what it is about.
fn fingerprint(outcomes: &[v1::Outcome]) -> String {
    let told = outcomes.iter().cloned().map(|mut outcome| {
        if outcome.verb == "create" {
            // Region gives each try values of its own.
            outcome.differences.clear();
        }
        outcome
    });
    let told = v1::ApplyResponse { outcomes: told.collect() }.encode_to_vec();
    digest(&SHA256, &told).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Counted on what is live, with the file's changes made.
fn concerned(tx: &mut Tx<'_>, outcomes: &[v1::Outcome]) -> Result<Concerned, OperationError> {
    let mut concerned = Concerned::default();
    for outcome in outcomes.iter().filter(|outcome| outcome.verb != "same") {
        let Some(resource) = crate::resources::by_noun(&outcome.kind) else { continue };
        let item = match resource.get(tx, &outcome.key) {
            // Who may make one may yet not read it.
            Err(OperationError::Denied { .. }) => continue,
            item => item?,
        };
        if outcome.verb == "create" {
            concerned.racks.extend(effects::racks(tx, resource.kind(), &[&item])?);
            continue;
        }
        let own = effects::of_change(tx, resource.kind(), &[&item])?;
        let leases = own.named.iter().filter(|named| named.noun == "lease");
        concerned.leases += leases.map(|named| named.count).sum::<u64>();
        concerned.racks.extend(own.racks);
    }
    Ok(concerned)
}
