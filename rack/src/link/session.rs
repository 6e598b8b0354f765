//! One stream's life: hellos, then a reader and a writer until either ends.

use common::{
    Epoch, VlanId,
    request::{Answer, Request},
};
use futures_util::{
    StreamExt,
    future::{BoxFuture, select_all},
    stream::FuturesUnordered,
};
use proto::{
    convert::rack_link::{answer_to_wire, request_from_wire},
    v1::{self, from_rack, rack_link_client::RackLinkClient, to_rack},
};
use std::{net::IpAddr, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::{
    Link, LinkState,
    assemble::{Assembly, AssemblyError},
    facts::Facts,
    outbox::{Outbox, OutboxError},
    renew,
    state::StateFeed,
};
use crate::{apply::Told, store::StoreError};

#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{}", .0.message())]
    Status(#[from] Status),
    #[error("region ended it")]
    Closed,
    #[error("region did not answer the hello within {} s", HELLO_LIMIT.as_secs())]
    Late,
    #[error("region's first message was no hello")]
    NoHello,
    #[error("region is of epoch {}, and this rack has followed epoch {}: its database was put back, or it is another region", region.0, rack.0)]
    LowerEpoch { region: Epoch, rack: Epoch },
    #[error(
        "region has recorded {class} facts up to {recorded}, and this rack has them up to {newest} only: its disk was put back; it goes on as a new incarnation"
    )]
    Ahead { class: &'static str, recorded: u64, newest: u64 },
    #[error("a scope could not be put together")]
    Assembly(#[from] AssemblyError),
    #[error("facts could not be read")]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the rack is shutting down")]
    Shutdown,
}

const HELLO_LIMIT: Duration = Duration::from_secs(15);
/// The one message that the network takes next: whatever lies in a queue cannot be overtaken by what is more urgent.
const WRITING: usize = 1;
/// Requests at work at once; region waits for each, so more is a fault of its own.
const REQUESTS: usize = 64;

/// Ends well when there is a new certificate to connect with. `opened` becomes true with region's hello.
pub(super) async fn run(
    link: &Link,
    channel: Channel,
    opened: &mut bool,
) -> Result<(), SessionError> {
    let mut feed = StateFeed::new(&link.applied, &link.services, link.counts.told());
    let (to_region, out) = mpsc::channel(WRITING);
    let hello = from_rack::Message::Hello(hello(link, feed.whole())?);
    send(&to_region, hello).await?;
    let mut client = RackLinkClient::new(channel.clone());
    let open = async {
        let mut from_region = client.connect(ReceiverStream::new(out)).await?.into_inner();
        let first = from_region.message().await?.and_then(|first| first.message);
        Ok::<_, SessionError>((from_region, first))
    };
    let (from_region, first) =
        timeout(HELLO_LIMIT, open).await.map_err(|_| SessionError::Late)??;
    let Some(to_rack::Message::Hello(theirs)) = first else { return Err(SessionError::NoHello) };
    let epoch = Epoch(theirs.epoch);
    follow(link, epoch)?;
    let recorded = recorded(link, &theirs).await?;
    *opened = true;
    link.enter(LinkState::Connected, link.addresses.join(", "));
    tracing::info!(version = %theirs.version, epoch = epoch.0, "region is there");
    let (answers, answered) = mpsc::channel(REQUESTS);
    let facts = recorded
        .iter()
        .map(|own| Facts::new(own.outbox.clone(), own.upto.subscribe(), link.clock.clone()));
    let facts = facts.collect();
    let writer = Writer { to_region, answered, feed, facts };
    let reader =
        Reader { link, from_region, recorded, answers, epoch, requests: FuturesUnordered::new() };
    tokio::select! {
        ended = reader.run() => ended,
        ended = writer.run() => ended,
        () = renew::run(link, channel) => Ok(()),
    }
}

fn hello(link: &Link, state: v1::RackState) -> Result<v1::RackHello, SessionError> {
    Ok(v1::RackHello {
        version: env!("CARGO_PKG_VERSION").into(),
        capabilities: Vec::new(),
        incarnation: link.incarnation.borrow().to_string(),
        epoch: link.marks.epoch()?.0,
        state: Some(state),
        newest: link.outboxes.iter().map(newest).collect(),
    })
}

/// A lower epoch is never followed, a higher one is remembered.
fn follow(link: &Link, region: Epoch) -> Result<(), SessionError> {
    let rack = link.marks.epoch()?;
    match region.cmp(&rack) {
        std::cmp::Ordering::Less => {
            tracing::error!(
                region = region.0,
                rack = rack.0,
                "region is of an earlier epoch than this rack has followed; it is not followed"
            );
            Err(SessionError::LowerEpoch { region, rack })
        }
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Ok(link.marks.save_epoch(region)?),
    }
}

fn newest(outbox: &Outbox) -> v1::FactPosition {
    let class = v1::FactClass::from(outbox.class()).into();
    v1::FactPosition { class, number: *outbox.newest().borrow() }
}

/// A class of facts in one session.
struct Recorded {
    outbox: Outbox,
    /// The number up to which region has recorded them.
    upto: watch::Sender<u64>,
}

/// What region has recorded of this incarnation; the logs may forget it. A class that region does not name is of no use to it.
async fn recorded(link: &Link, hello: &v1::RegionHello) -> Result<Vec<Recorded>, SessionError> {
    let mut all = Vec::new();
    for outbox in &link.outboxes {
        let named = hello.recorded.iter().find(|position| outbox.is_of(position.class()));
        let recorded = match (named, outbox) {
            (Some(position), _) => position.number,
            (None, Outbox::Leases(_)) => 0,
            (None, Outbox::Boots(_)) => continue,
        };
        let (class, newest) = (outbox.name(), *outbox.newest().borrow());
        if recorded > newest {
            tracing::error!(
                class,
                recorded,
                newest,
                "region has recorded more than this rack's disk has; it goes on as a new incarnation"
            );
            link.incarnation.send_replace(link.marks.renew_incarnation()?);
            return Err(SessionError::Ahead { class, recorded, newest });
        }
        note_recorded(link, outbox, recorded).await;
        all.push(Recorded { outbox: outbox.clone(), upto: watch::Sender::new(recorded) });
    }
    Ok(all)
}

async fn note_recorded(link: &Link, outbox: &Outbox, upto: u64) {
    // What cannot be forgotten only takes up room.
    if let Err(error) = outbox.recorded(upto).await {
        tracing::error!(%error, class = outbox.name(), "recorded facts cannot be removed");
    }
    link.counts.recorded(outbox.class(), upto);
    if matches!(outbox, Outbox::Leases(_)) {
        link.status.send_modify(|status| status.recorded_fact = upto);
    }
    metrics::gauge!("hostler_rack_facts_recorded", "class" => outbox.name()).set(upto as f64);
}

/// Sends in order of urgency: answers, state, facts. Each is chosen when the network can take it, and not before.
struct Writer {
    to_region: mpsc::Sender<v1::FromRack>,
    answered: mpsc::Receiver<v1::Answer>,
    feed: StateFeed,
    facts: Vec<Facts>,
}

impl Writer {
    async fn run(mut self) -> Result<(), SessionError> {
        loop {
            let room = self.to_region.reserve().await.map_err(|_| SessionError::Closed)?;
            let message = tokio::select! {
                biased;
                Some(answer) = self.answered.recv() => from_rack::Message::Answer(answer),
                state = self.feed.changed() => from_rack::Message::State(state),
                facts = next_facts(&mut self.facts) => from_rack::Message::Facts(facts?),
            };
            room.send(v1::FromRack { message: Some(message) });
        }
    }
}

/// Of whichever class has some; leases first.
async fn next_facts(classes: &mut [Facts]) -> Result<v1::FactBatch, OutboxError> {
    let each = classes.iter_mut().map(|facts| Box::pin(facts.next()));
    let (facts, ..) = select_all(each).await;
    facts
}

async fn send(
    to_region: &mpsc::Sender<v1::FromRack>,
    message: from_rack::Message,
) -> Result<(), SessionError> {
    let message = v1::FromRack { message: Some(message) };
    to_region.send(message).await.map_err(|_| SessionError::Closed)
}

struct Reader<'a> {
    link: &'a Link,
    from_region: Streaming<v1::ToRack>,
    recorded: Vec<Recorded>,
    answers: mpsc::Sender<v1::Answer>,
    epoch: Epoch,
    /// At work; none: its deadline passed, and region has given it up.
    requests: FuturesUnordered<BoxFuture<'a, Option<v1::Answer>>>,
}

impl Reader<'_> {
    async fn run(mut self) -> Result<(), SessionError> {
        let mut assembly = Assembly::default();
        loop {
            let message = tokio::select! {
                message = self.from_region.message() => message?.ok_or(SessionError::Closed)?,
                Some(answer) = self.requests.next(), if !self.requests.is_empty() => {
                    if let Some(answer) = answer {
                        self.answers.send(answer).await.map_err(|_| SessionError::Closed)?;
                    }
                    continue;
                }
            };
            match message.message {
                Some(to_rack::Message::Scope(part)) => {
                    if let Some(told) = assembly.add(part)? {
                        self.tell(told).await?;
                    }
                }
                Some(to_rack::Message::Recorded(recorded)) => self.note(recorded).await,
                Some(to_rack::Message::Request(request)) => self.begin(request).await?,
                Some(to_rack::Message::Hello(_)) => return Err(SessionError::NoHello),
                // This rack asks nothing yet, and a later region may say more than it knows.
                Some(to_rack::Message::Answer(_)) | None => {}
            }
        }
    }

    async fn tell(&mut self, told: Told) -> Result<(), SessionError> {
        if let Told::Offered(record) = &told
            && record.generation.epoch > self.epoch
        {
            self.epoch = record.generation.epoch;
            follow(self.link, self.epoch)?;
        }
        if self.link.applied.tell(told).await { Ok(()) } else { Err(SessionError::Shutdown) }
    }

    async fn note(&mut self, recorded: v1::FactsRecorded) {
        let upto = recorded.upto.unwrap_or_default();
        let own = self.recorded.iter().find(|own| own.outbox.is_of(upto.class()));
        let Some(own) = own else { return };
        let newer = own.upto.send_if_modified(|known| {
            let newer = upto.number > *known;
            *known = upto.number.max(*known);
            newer
        });
        if newer {
            note_recorded(self.link, &own.outbox, upto.number).await;
        }
    }

    async fn begin(&mut self, request: v1::Request) -> Result<(), SessionError> {
        let id = request.id;
        let refuse = |why: String| answer_to_wire(id, &Answer::Refused(why));
        let refused = match request_from_wire(request.request) {
            Err(refused) => refuse(refused.to_string()),
            Ok(_) if self.requests.len() >= REQUESTS => refuse("the rack is busy".into()),
            Ok(asked) => {
                let limit = Duration::from_millis(request.deadline_milliseconds.into());
                let work = execute(self.link, asked);
                self.requests.push(Box::pin(async move {
                    let answer = timeout(limit, work).await.ok()?;
                    Some(answer_to_wire(id, &answer))
                }));
                return Ok(());
            }
        };
        self.answers.send(refused).await.map_err(|_| SessionError::Closed)
    }
}

async fn execute(link: &Link, asked: Request) -> Answer {
    match asked {
        Request::ReleaseLease { vlan, address } => release(link, vlan, address).await,
    }
}

async fn release(link: &Link, vlan: VlanId, address: IpAddr) -> Answer {
    let IpAddr::V4(address) = address else {
        return Answer::Refused(format!("{address} is no IPv4 address"));
    };
    match link.dhcp.release(vlan, address).await {
        Ok(()) => Answer::Done,
        Err(why) => Answer::Refused(why),
    }
}
