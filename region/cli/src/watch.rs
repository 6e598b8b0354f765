//! A list that goes on: what there is, then each change. A lost connection is taken up again where it was.

use prost_reflect::{DynamicMessage, MethodDescriptor};
use proto::v1::Change;
use runtime::backoff::Backoff;
use std::time::Duration;
use tonic::{Status, Streaming};

use crate::{
    failure::{self, Exit},
    grammar,
    output::{Feed, Form, Screen, Shape, events},
    region::{Fill, Read, method_of},
    verbs::Task,
};

/// After this long without region, one look every so many seconds is enough.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How far a watch has come.
struct Watch {
    method: MethodDescriptor,
    filter: String,
    newest: Option<u32>,
    /// Empty until there is a place to go on from.
    cursor: String,
    /// What there was at the beginning. Kept until it is complete: one that was cut off is told again from its start.
    snapshot: Vec<DynamicMessage>,
    /// Before the next attempt; short again once region said something.
    pause: Backoff,
    feed: Feed,
    screen: Screen,
}

pub(crate) async fn run(task: &mut Task<'_>) -> anyhow::Result<Exit> {
    let shape = Shape::of(task.kind, task.arguments, task.screen)?;
    let for_people = matches!(shape.form, Form::Table | Form::Wide);
    let usual = (events::is(task.kind) && for_people).then_some(events::USUAL_NEWEST);
    let mut watch = Watch {
        method: method_of(task.kind, "Watch")?,
        filter: grammar::word(task.arguments, "filter"),
        newest: grammar::typed(task.arguments, "newest").or(usual),
        cursor: grammar::word(task.arguments, "cursor"),
        snapshot: Vec::new(),
        pause: Backoff::new(PAUSE.0, PAUSE.1),
        feed: Feed::new(shape),
        screen: task.screen,
    };
    tokio::select! {
        ended = watch.follow(task) => ended?,
        _ = tokio::signal::ctrl_c() => {}
    }
    if !watch.cursor.is_empty() && task.screen.width.is_some() {
        eprintln!("\nto go on from here: --cursor {}", watch.cursor);
    }
    Ok(Exit::Done)
}

impl Watch {
    /// Ends only with an error that another attempt would meet again.
    async fn follow(&mut self, task: &mut Task<'_>) -> anyhow::Result<()> {
        let mut stream = task.client.stream(&self.method, self.request()).await?;
        loop {
            let lost = self.read(&mut stream).await?;
            if !failure::is_lost(&lost) {
                return Err(task.client.failed(lost));
            }
            self.snapshot.clear();
            stream = self.resume(task, failure::cause(&lost)).await?;
            eprintln!("connected again; nothing was missed");
        }
    }

    /// Tries until there is a stream again; says why there is none, once for each reason.
    async fn resume(
        &mut self,
        task: &mut Task<'_>,
        mut why: String,
    ) -> anyhow::Result<Streaming<DynamicMessage>> {
        eprintln!("connection lost ({why}); trying again");
        loop {
            tokio::time::sleep(self.pause.next()).await;
            let error = match task.client.stream(&self.method, self.request()).await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            let Some(status) = failure::status_of(&error).filter(|one| failure::is_lost(one))
            else {
                return Err(error);
            };
            let reason = failure::cause(status);
            if reason != why {
                eprintln!("still trying ({reason})");
                why = reason;
            }
        }
    }

    fn request(&self) -> DynamicMessage {
        let mut request = DynamicMessage::new(self.method.input());
        request.text("cursor", &self.cursor).text("filter", &self.filter);
        if let Some(newest) = self.newest {
            request.number("newest", newest);
        }
        request
    }

    /// Shows what comes until the stream ends; answers why it did.
    async fn read(&mut self, stream: &mut Streaming<DynamicMessage>) -> anyhow::Result<Status> {
        loop {
            match stream.message().await {
                Ok(Some(event)) => self.take(&event)?,
                Ok(None) => return Ok(Status::unavailable("region ended it")),
                Err(status) => return Ok(status),
            }
        }
    }

    fn take(&mut self, event: &DynamicMessage) -> anyhow::Result<()> {
        self.pause.reset();
        let number = event.get_field_by_name("change").and_then(|change| change.as_enum_number());
        let change = number.and_then(|number| Change::try_from(number).ok()).unwrap_or_default();
        let cursor = event.text_of("cursor");
        match (change, event.message_of("item")) {
            (Change::Present, Some(item)) => self.snapshot.push(item),
            (Change::Current, _) => {
                let items = std::mem::take(&mut self.snapshot);
                self.screen.print(&self.feed.present(&items, &cursor)?)?;
                self.cursor = cursor;
            }
            (_, Some(item)) => {
                self.screen.print(&self.feed.change(change, &item, &cursor)?)?;
                self.cursor = cursor;
            }
            (_, None) => {}
        }
        Ok(())
    }
}
