//! One rack's stream in a test's hands.

use anyhow::{Context, bail};
use common::Generation;
use proto::v1::{self, from_rack, to_rack};
use std::fmt;
use tokio::{sync::mpsc, time::timeout};
use tonic::{Status, Streaming};

use super::LIMIT;

/// One rack's stream, from region's side.
pub struct Session {
    pub hello: v1::RackHello,
    /// Of the certificate that it was opened with.
    pub serial: String,
    pub(super) from: Streaming<v1::FromRack>,
    pub(super) to: mpsc::Sender<Result<v1::ToRack, Status>>,
}

impl Session {
    /// Region's hello: its epoch, and up to which number lease facts are recorded.
    pub async fn greet(&self, epoch: u64, recorded: u64) -> anyhow::Result<()> {
        let recorded = vec![lease_position(recorded)];
        let hello = v1::RegionHello { version: "fake".into(), epoch, recorded };
        self.say(to_rack::Message::Hello(hello)).await
    }

    pub async fn say(&self, message: to_rack::Message) -> anyhow::Result<()> {
        let message = v1::ToRack { message: Some(message) };
        self.to.send(Ok(message)).await.context("the rack has left")
    }

    /// A whole scope, in one message.
    pub async fn offer(&self, scope: &str, at: Generation, content: Vec<u8>) -> anyhow::Result<()> {
        let digest = proto::convert::rack_config::digest(&content).to_vec();
        let part = v1::ScopePart {
            scope: scope.into(),
            generation: Some(at.into()),
            digest,
            content,
            last: true,
            withdrawn: false,
        };
        self.say(to_rack::Message::Scope(part)).await
    }

    pub async fn record(&self, upto: u64) -> anyhow::Result<()> {
        let recorded = v1::FactsRecorded { upto: Some(lease_position(upto)) };
        self.say(to_rack::Message::Recorded(recorded)).await
    }

    pub async fn heard(&mut self) -> anyhow::Result<from_rack::Message> {
        let message = timeout(LIMIT, self.from.message()).await.context("the rack says nothing")?;
        let message = message?.context("the rack has closed the stream")?;
        message.message.context("a message without content")
    }

    /// The next facts, whatever state is told between.
    pub async fn facts(&mut self) -> anyhow::Result<v1::FactBatch> {
        loop {
            match self.heard().await? {
                from_rack::Message::Facts(batch) => return Ok(batch),
                from_rack::Message::State(_) => {}
                other @ (from_rack::Message::Hello(_)
                | from_rack::Message::Request(_)
                | from_rack::Message::Answer(_)) => {
                    bail!("facts were expected, not {other:?}")
                }
            }
        }
    }

    /// The answer to a request, whatever state is told before it.
    pub async fn answer(&mut self) -> anyhow::Result<v1::Answer> {
        loop {
            match self.heard().await? {
                from_rack::Message::Answer(answer) => return Ok(answer),
                from_rack::Message::State(_) => {}
                other @ (from_rack::Message::Hello(_)
                | from_rack::Message::Facts(_)
                | from_rack::Message::Request(_)) => {
                    bail!("an answer was expected, not {other:?}")
                }
            }
        }
    }

    /// Waits until the rack says this of a scope; facts may come between and are not recorded.
    pub async fn scope_status(
        &mut self,
        looked_for: impl Fn(&v1::ScopeStatus) -> bool,
    ) -> anyhow::Result<v1::ScopeStatus> {
        loop {
            if let from_rack::Message::State(state) = self.heard().await?
                && let Some(scopes) = state.scopes
                && let Some(found) = scopes.items.into_iter().find(&looked_for)
            {
                return Ok(found);
            }
        }
    }

    /// Waits until the rack counts so; facts may come between and are not recorded.
    pub async fn counts(
        &mut self,
        looked_for: impl Fn(&v1::RackCounts) -> bool,
    ) -> anyhow::Result<v1::RackCounts> {
        loop {
            if let from_rack::Message::State(state) = self.heard().await?
                && let Some(found) = state.counts.filter(&looked_for)
            {
                return Ok(found);
            }
        }
    }

    /// Waits for the stream's end.
    pub async fn ended(mut self) -> anyhow::Result<()> {
        let end = async { while let Ok(Some(_)) = self.from.message().await {} };
        timeout(LIMIT, end).await.context("the rack keeps the stream open")
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("hello", &self.hello).finish_non_exhaustive()
    }
}

fn lease_position(number: u64) -> v1::FactPosition {
    v1::FactPosition { class: v1::FactClass::Lease.into(), number }
}
