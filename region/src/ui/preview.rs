//! A change before it is made: what differs, and whom it concerns.

use askama::Template;
use axum::response::Response;
use prost_reflect::DynamicMessage;
use proto::{describe::meta, v1};

use super::{
    Fault,
    cells::{self, Cell, Tone},
    form,
    frame::{self, Frame},
    history::{self, Line},
    save::Sent,
    words,
};
use crate::operations::{
    OperationError, Tx,
    effects::{self, Effects, Named},
    erased::Patch,
};

#[derive(Template)]
#[template(path = "preview.html")]
struct PreviewPage {
    frame: Frame,
    noun: String,
    key: String,
    page: String,
    revision: String,
    message: String,
    hidden: Vec<(String, String)>,
    lines: Vec<Line>,
    racks: Vec<(Cell, Cell)>,
    named: Vec<Cell>,
    leases: bool,
}

impl Sent {
    /// What the change would do, judged by doing it and taking it back.
    pub(super) async fn preview(self, key: String) -> Result<Response, Fault> {
        let before = self.current(&key).await?;
        let after = match self.tried(&key).await {
            Ok(after) => after,
            Err(error) => return self.again(&key, error).await,
        };
        let (kind, versions) = (self.resource.kind(), [before.clone(), after.clone()]);
        let read = self.console.region.read(&self.visitor.actor, move |tx| {
            effects::of_change(tx, kind, &versions.each_ref())
        });
        let effects = read.await?;
        self.preview_page((&before, &after), &effects)
    }

    async fn tried(&self, key: &str) -> Result<DynamicMessage, OperationError> {
        let (item, mask) =
            form::message(self.resource.kind(), &self.typed).map_err(OperationError::Refused)?;
        // A request id is for the write that counts.
        let write = v1::Write { request_id: String::new(), ..self.write(true) };
        let (resource, id) = (self.resource, key.to_owned());
        let work = move |tx: &mut Tx<'_>| {
            resource.update(tx, &id, &Patch { item: &item, mask: &mask }, &write)
        };
        self.console.region.write(&self.visitor.actor, work).await
    }

    fn preview_page(
        &self,
        (before, after): (&DynamicMessage, &DynamicMessage),
        effects: &Effects,
    ) -> Result<Response, Fault> {
        let (kind, key) = (self.resource.kind(), meta(before, "key"));
        let (list, page) = (format!("/{}", kind.plural), cells::page_of(&kind.noun, &key));
        let plural = words::label(&kind.plural);
        let crumbs = [(plural.as_str(), list.as_str()), (&key, &page), ("Preview", "")];
        let changed = kind.settable().filter(|field| field.show(before) != field.show(after));
        let flags: String = changed
            .map(|field| {
                let value = words::shell(&field.show(after));
                format!(" --{} {value}", field.name.replace('_', "-"))
            })
            .collect();
        let command = format!("hostler {} update {key}{flags} --wait", kind.spoken());
        let typed = kind.settable().filter_map(|field| {
            Some((field.name.clone(), self.typed.get(&field.name)?.to_owned()))
        });
        let kept = ["revision", "request_id", "message"];
        let kept = kept.map(|name| (name.to_owned(), self.typed.word(name).to_owned()));
        let now = self.console.region.clock.now();
        frame::render(&PreviewPage {
            frame: Frame::new(&self.visitor, &crumbs, now).command(command),
            revision: meta(before, "revision"),
            noun: words::noun(&kind.noun),
            message: self.typed.word("message").into(),
            hidden: typed.chain(kept).collect(),
            lines: history::difference(kind, before, after),
            racks: effects.racks.iter().map(rack).collect(),
            named: effects.named.iter().map(named).collect(),
            leases: effects.named.iter().any(|named| named.noun == "lease"),
            key,
            page,
        })
    }
}

pub(super) fn rack((key, connected): (&String, &bool)) -> (Cell, Cell) {
    let state = match connected {
        true => Cell::State(Tone::Ok, "connected".into()),
        false => Cell::State(Tone::Unknown, "away: told when it is back".into()),
    };
    (Cell::Link(cells::page_of("rack", key), key.clone()), state)
}

fn named(named: &Named) -> Cell {
    let what = match (named.noun, named.count) {
        ("lease", 1) => "active lease".into(),
        ("lease", _) => "active leases".into(),
        (noun, 1) => words::noun(noun),
        _ => words::noun(named.plural),
    };
    let said = format!("{} {what}", words::number(i128::from(named.count)));
    Cell::Link(format!("/{}?filter={}", named.plural, words::encoded(&named.filter)), said)
}
