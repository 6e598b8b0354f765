//! One rack's stream, from hello to end. Two tasks: one reads what the rack says, one writes, in this order: requests, acknowledgements, state.

use common::{Generation, RackId, report::FactClass, request::Answer};
use proto::{
    convert::rack_link::{answer_from_wire, answer_to_wire, class_from_wire, request_to_wire},
    v1::{self, from_rack, to_rack},
};
use runtime::telemetry::Causes;
use std::{collections::VecDeque, net::SocketAddr, time::Duration};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::{Racks, acknowledgements::Acknowledgements, ingest::Batch, refusals::Refusal};
use crate::{
    api::status,
    db::{positions::Outbox, scopes::Wanted},
    dispatch::{Asked, Pending, Session as Entry},
    operations::{OperationError, session},
};

/// Messages may be 1 MiB; a scope larger than this goes in parts, so that requests pass between them.
const PART: usize = 512 * 1024;
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// Parts and acknowledgements ahead of the network; what is newer than these can still go first.
const AHEAD: usize = 4;
/// Each asker waits for its answer, so a queue longer than this would only hold requests past their deadlines.
const REQUESTS: usize = 64;
/// A rack that asks without reading the answers waits here.
const REPLIES: usize = 16;
/// When the database is away as configuration changes.
const RETRY: Duration = Duration::from_secs(1);

type ToRack = Result<v1::ToRack, Status>;

#[tonic::async_trait]
impl v1::rack_link_server::RackLink for Racks {
    type ConnectStream = ReceiverStream<ToRack>;

    async fn connect(
        &self,
        request: Request<Streaming<v1::FromRack>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (identity, address) = self.admit(&request).await?;
        let mut from = request.into_inner();
        let hello = first(&mut from).await?;
        let (to, out) = mpsc::channel(AHEAD);
        self.open((identity.rack, address), hello, from, to).await?;
        Ok(Response::new(ReceiverStream::new(out)))
    }
}

async fn first(from: &mut Streaming<v1::FromRack>) -> Result<v1::RackHello, Status> {
    let message = tokio::time::timeout(HELLO_LIMIT, from.message()).await;
    let message = message.map_err(|_| Status::deadline_exceeded("no hello came"))??;
    match message.and_then(|message| message.message) {
        Some(from_rack::Message::Hello(hello)) => Ok(hello),
        _ => Err(Status::invalid_argument("the first message on a stream must be a hello")),
    }
}

impl Racks {
    async fn open(
        &self,
        (rack, address): (RackId, SocketAddr),
        hello: v1::RackHello,
        from: Streaming<v1::FromRack>,
        to: mpsc::Sender<ToRack>,
    ) -> Result<(), Status> {
        let incarnation = hello.incarnation.parse::<Uuid>();
        let incarnation = incarnation
            .map_err(|_| Status::invalid_argument("hello.incarnation: must be a UUID"))?;
        let (id, published) = (Uuid::now_v7(), self.region.configurations.published());
        let from_where = address.ip().to_canonical().to_string();
        let counts = hello.state.as_ref().and_then(|state| state.counts.clone()).map(Into::into);
        let opening =
            session::Opening { rack, session: id, incarnation, address: from_where, hello };
        let opened = session::open(&self.region, opening).await.map_err(|error| {
            if matches!(error, OperationError::Refused(_)) {
                self.refusals.note(Refusal { address, rack: Some(rack), why: error.to_string() });
            }
            status::of(error)
        })?;
        if opened.rolled_back {
            self.region.configurations.publish(opened.reach.generation);
        }
        let (requests, asked) = mpsc::channel(REQUESTS);
        let (reply, replies) = mpsc::channel(REPLIES);
        let recorded = Acknowledgements::default();
        let end = self.region.tasks.shutdown().child_token();
        self.region.racks.enter(rack, Entry { id, requests, end: end.clone(), counts });
        let stream = Stream {
            racks: self.clone(),
            rack,
            key: opened.key,
            session: id,
            incarnation,
            pending: Pending::default(),
            end,
            refused: CancellationToken::new(),
        };
        self.region.configurations.hear();
        tracing::info!(rack = %stream.key, version = %opened.version, "rack connected");
        let writer = Writer {
            stream: stream.clone(),
            to,
            asked,
            replies,
            recorded: recorded.clone(),
            published,
            sent: opened.reach.generation,
            parts: opened.send.iter().flat_map(parts).collect(),
            stale: false,
        };
        let hello = v1::RegionHello {
            version: env!("CARGO_PKG_VERSION").into(),
            epoch: opened.reach.generation.epoch.0,
            recorded: opened.recorded.map(|(class, number)| position(class, number)).to_vec(),
        };
        let tasks = &self.region.tasks;
        tasks.spawn_brief("rack writer", writer.run(to_rack::Message::Hello(hello)));
        tasks.spawn_brief("rack reader", stream.read(from, Back { reply, recorded }));
        Ok(())
    }
}

/// What the reader leaves for the writer.
struct Back {
    reply: mpsc::Sender<to_rack::Message>,
    recorded: Acknowledgements,
}

/// What both tasks of a stream know.
#[derive(Clone)]
struct Stream {
    racks: Racks,
    rack: RackId,
    /// What people call the rack.
    key: String,
    session: Uuid,
    incarnation: Uuid,
    pending: Pending,
    end: CancellationToken,
    /// What it sent cannot be recorded.
    refused: CancellationToken,
}

impl Stream {
    async fn read(self, mut from: Streaming<v1::FromRack>, back: Back) {
        loop {
            let message = tokio::select! {
                () = self.end.cancelled() => break,
                () = self.refused.cancelled() => break,
                message = from.message() => message,
            };
            let handled = match message {
                Ok(Some(message)) => self.handle(message, &back).await,
                Ok(None) => break,
                Err(status) => {
                    tracing::info!(rack = %self.key, reason = %status.message(), "stream lost");
                    break;
                }
            };
            if let Err(error) = handled {
                tracing::warn!(rack = %self.key, error = %Causes(&error), "stream ended by region");
                break;
            }
        }
        self.end.cancel();
        self.racks.region.racks.leave(self.rack, self.session);
        match session::close(&self.racks.region, self.rack, self.session).await {
            Ok(()) => tracing::info!(rack = %self.key, "rack disconnected"),
            Err(error) => {
                tracing::warn!(rack = %self.key, error = %Causes(&error), "not noted as gone yet");
            }
        }
    }

    async fn handle(&self, message: v1::FromRack, back: &Back) -> Result<(), StreamError> {
        match message.message {
            Some(from_rack::Message::State(state)) => Ok(self.note(state).await?),
            Some(from_rack::Message::Facts(facts)) => self.take_in(facts, &back.recorded).await,
            Some(from_rack::Message::Answer(answer)) => {
                self.pending.answer(answer.id, answer_from_wire(answer));
                Ok(())
            }
            Some(from_rack::Message::Request(request)) => {
                let why = "region answers no such question in this version".to_owned();
                let answer = answer_to_wire(request.id, &Answer::Refused(why));
                let sent = back.reply.send(to_rack::Message::Answer(answer)).await;
                sent.map_err(|_| StreamError::Closing)
            }
            Some(from_rack::Message::Hello(_)) => Err(StreamError::SecondHello),
            // A kind of message that a later version knows.
            None => Ok(()),
        }
    }

    async fn note(&self, mut state: v1::RackState) -> Result<(), OperationError> {
        let region = &self.racks.region;
        if let Some(counts) = state.counts.take() {
            region.racks.note_counts(self.rack, self.session, counts.into());
        }
        // They come every few seconds, and mostly alone.
        if state != v1::RackState::default() {
            session::note_state(region, self.rack, self.session, state).await?;
            region.configurations.hear();
        }
        Ok(())
    }

    async fn take_in(
        &self,
        facts: v1::FactBatch,
        recorded: &Acknowledgements,
    ) -> Result<(), StreamError> {
        let class = class_from_wire(facts.class());
        let class = class.ok_or(StreamError::Class(facts.class))?;
        let batch = Batch {
            outbox: Outbox { rack: self.rack, incarnation: self.incarnation, class },
            key: self.key.clone(),
            facts,
            received: self.racks.region.clock.now(),
            recorded: recorded.clone(),
            refused: self.refused.clone(),
        };
        tokio::select! {
            sent = self.racks.ingest.send(batch) => sent.map_err(|_| StreamError::Closing),
            () = self.end.cancelled() => Err(StreamError::Closing),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("a second hello")]
    SecondHello,
    #[error("facts of class {0}, which this version does not know")]
    Class(i32),
    #[error("region is closing")]
    Closing,
    #[error("what it said of itself could not be noted")]
    State(#[from] OperationError),
}

struct Writer {
    stream: Stream,
    to: mpsc::Sender<ToRack>,
    asked: mpsc::Receiver<Asked>,
    /// Answers to what the rack asks.
    replies: mpsc::Receiver<to_rack::Message>,
    recorded: Acknowledgements,
    /// Rung after each pass that stamped something.
    published: watch::Receiver<Generation>,
    /// Everything up to here is sent or in `parts`.
    sent: Generation,
    parts: VecDeque<v1::ScopePart>,
    /// There is newer configuration, and the database did not give it.
    stale: bool,
}

impl Writer {
    async fn run(mut self, hello: to_rack::Message) {
        let mut next = Some(hello);
        while let Some(message) = next {
            let message = v1::ToRack { message: Some(message) };
            let sent = tokio::select! {
                sent = self.to.send(Ok(message)) => sent.is_ok(),
                () = self.stream.end.cancelled() => false,
            };
            next = if sent { self.next().await } else { None };
        }
        self.stream.end.cancel();
    }

    /// None: the stream is to end.
    async fn next(&mut self) -> Option<to_rack::Message> {
        loop {
            tokio::select! {
                biased;
                () = self.stream.end.cancelled() => return None,
                () = self.to.closed() => return None,
                asked = self.asked.recv() => return Some(self.ask(asked?)),
                reply = self.replies.recv() => return reply,
                (class, number) = self.recorded.next() => {
                    let recorded = v1::FactsRecorded { upto: Some(position(class, number)) };
                    return Some(to_rack::Message::Recorded(recorded));
                }
                // Taken in the branch: what stands before the arrow is evaluated even when an earlier branch is chosen, and the part would be lost.
                () = std::future::ready(()), if !self.parts.is_empty() => {
                    return self.parts.pop_front().map(to_rack::Message::Scope);
                }
                changed = self.published.changed() => {
                    changed.ok()?;
                    self.load().await;
                }
                () = tokio::time::sleep(RETRY), if self.stale => self.load().await,
            }
        }
    }

    fn ask(&mut self, asked: Asked) -> to_rack::Message {
        let deadline = u32::try_from(asked.deadline.as_millis()).unwrap_or(u32::MAX);
        to_rack::Message::Request(v1::Request {
            id: self.stream.pending.enter(asked.answer),
            deadline_milliseconds: deadline,
            request: Some(request_to_wire(&asked.request)),
        })
    }

    async fn load(&mut self) {
        match session::configuration(&self.stream.racks.region, self.stream.rack, self.sent).await {
            Ok((newest, wanted)) => {
                // Parts of a generation that has been overtaken are not worth sending, but a scope half sent is: pages are never mixed.
                let half = self.parts.front().map(|part| part.scope.clone());
                let overtaken = |part: &v1::ScopePart| {
                    Some(&part.scope) != half.as_ref()
                        && wanted.iter().any(|newer| newer.scope == part.scope)
                };
                self.parts.retain(|part| !overtaken(part));
                self.parts.extend(wanted.iter().flat_map(parts));
                (self.sent, self.stale) = (newest, false);
            }
            Err(error) => {
                tracing::warn!(rack = %self.stream.key, error = %Causes(&error), "configuration not read");
                self.stale = true;
            }
        }
    }
}

fn position(class: FactClass, number: u64) -> v1::FactPosition {
    v1::FactPosition { class: v1::FactClass::from(class).into(), number }
}

fn parts(wanted: &Wanted) -> Vec<v1::ScopePart> {
    let part = |content: &[u8], last| v1::ScopePart {
        scope: wanted.scope.clone(),
        generation: Some(wanted.generation.into()),
        digest: wanted.digest.to_vec(),
        content: content.to_vec(),
        last,
        withdrawn: wanted.withdrawn,
    };
    let mut parts: Vec<_> =
        wanted.content.chunks(PART).map(|content| part(content, false)).collect();
    match parts.last_mut() {
        Some(last) => last.last = true,
        None => parts.push(part(&[], true)),
    }
    parts
}
