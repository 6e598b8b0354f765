//! What an open page is told, and that it misses nothing.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use region::{
    db::DbError,
    events::{self, NewEvent},
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::{
    browser::Browser,
    support::{World, log, on_both, settled},
};

/// Until a message must be there, on a busy computer.
const LIMIT: Duration = Duration::from_secs(30);

/// A stream of messages, as a browser takes them apart.
struct Stream {
    body: Body,
    read: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    event: String,
    data: String,
    id: String,
}

impl Browser {
    async fn live(&self, topics: &str, last: Option<&str>) -> Stream {
        let mut request = Request::builder().uri(format!("/live?topics={topics}")).header(
            header::COOKIE,
            format!("__Host-session={}", self.cookie.as_deref().unwrap_or_default()),
        );
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Stream { body: response.into_body(), read: String::new() }
    }
}

impl Stream {
    async fn next(&mut self) -> Message {
        loop {
            let message = self.next_of_all().await;
            // How slow a computer is says nothing of what a page is told.
            if message.event != "alive" {
                return message;
            }
        }
    }

    async fn next_of_all(&mut self) -> Message {
        loop {
            if let Some((text, rest)) = self.read.split_once("\n\n") {
                let mut message = Message::default();
                for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
                    let value = value.trim_start().to_owned();
                    match name {
                        "event" => message.event = value,
                        "data" => message.data = value,
                        "id" => message.id = value,
                        _ => {}
                    }
                }
                self.read = rest.to_owned();
                if !message.event.is_empty() {
                    return message;
                }
                continue;
            }
            let frame = tokio::time::timeout(LIMIT, self.body.frame()).await;
            let frame = frame.expect("a message comes").expect("the stream goes on").unwrap();
            self.read += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
        }
    }
}

async fn fabric(world: &World, name: &str) {
    world.create("fabric", &format!("name={name}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_back_is_told_what_it_missed() {
    on_both(async |world| {
        let browser = world.signed_in("viewer").await;
        let mut stream = browser.live("fabric,vlan", None).await;
        assert_eq!(stream.next().await.event, "live");
        fabric(world, "dc1").await;
        let told = stream.next().await;
        assert_eq!((told.event.as_str(), told.data.as_str()), ("changed", "fabric"));
        assert!(!told.id.is_empty(), "{told:?}");
        drop(stream);

        fabric(world, "dc2").await;
        world.create("vlan", "fabric=dc2 vid=10").await.unwrap();
        settled(&world.region).await;
        let mut stream = browser.live("fabric,vlan", Some(&told.id)).await;
        assert_eq!(stream.next().await.event, "live");
        let missed = stream.next().await;
        assert_eq!((missed.event.as_str(), missed.data.as_str()), ("changed", "fabric,vlan"));
        drop(stream);

        // Who has missed nothing is told nothing until there is something.
        let mut stream = browser.live("fabric,vlan", Some(&missed.id)).await;
        assert_eq!(stream.next().await.event, "live");
        world.create("vlan", "fabric=dc2 vid=11").await.unwrap();
        assert_eq!(stream.next().await.data, "vlan");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_few_messages_and_other_kinds_are_none() {
    on_both(async |world| {
        let browser = world.signed_in("viewer").await;
        let mut stream = browser.live("fabric", None).await;
        stream.next().await;
        let began = std::time::Instant::now();
        for number in 0..40 {
            fabric(world, &format!("dc{number}")).await;
        }
        world.user("somebody", "viewer").await;
        fabric(world, "last").await;
        let (events, _) = log(world).await;
        let end = events.last().unwrap().cursor.to_string();
        let mut messages = 0;
        loop {
            let told = stream.next().await;
            assert_eq!(told.data, "fabric");
            messages += 1;
            if told.id == end {
                break;
            }
        }
        let most = 2 + began.elapsed().as_millis() / 250;
        assert!(messages <= most, "{messages} messages, {most} at most");
    })
    .await;
}

/// Else a page could not tell a quiet region from a dead line.
#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_gives_signs_of_life() {
    on_both(async |world| {
        let browser = world.signed_in("viewer").await;
        let mut stream = browser.live("fabric", None).await;
        assert_eq!(stream.next().await.event, "live");
        let sign = stream.next_of_all().await;
        // Without an id: it moves no cursor.
        assert_eq!((sign.event.as_str(), sign.id.as_str()), ("alive", ""));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_kinds_that_are_not_theirs() {
    on_both(async |world| {
        let browser = world.signed_in("viewer").await;
        let mut stream = browser.live("user,token,fabric", None).await;
        stream.next().await;
        world.user("somebody", "viewer").await;
        fabric(world, "dc1").await;
        assert_eq!(stream.next().await.data, "fabric");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_the_log_begins_asks_for_a_new_page() {
    on_both(async |world| {
        let browser = world.signed_in("viewer").await;
        fabric(world, "dc1").await;
        settled(&world.region).await;
        let epoch = world.region.db.read(events::epoch).await.unwrap();
        let start = events::Cursor::start(epoch);
        let now = world.region.db.read(events::now).await.unwrap();
        let forget = move |conn: &mut region::db::Conn| events::retention::up_to(conn, now);
        world.region.db.transaction(forget).await.unwrap();
        let mut stream = browser.live("fabric", Some(&start.to_string())).await;
        assert_eq!(stream.next().await.event, "live");
        assert_eq!(stream.next().await.event, "reset");
    })
    .await;
}

/// A page goes on from where its own view of the log ends, and not from where others have begun to write.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_written_while_a_page_was_made_is_told_to_it() {
    on_both(async |world| {
        let mut browser = world.signed_in("viewer").await;
        let (wrote, written) = tokio::sync::oneshot::channel();
        let (release, released) = mpsc::sync_channel::<()>(1);
        let (db, now) = (world.region.db.clone(), world.region.clock.now());
        let held = Arc::new(Mutex::new((Some(wrote), released)));
        let mut writing = JoinSet::new();
        writing.spawn(async move {
            let write = move |conn: &mut region::db::Conn| {
                let event = NewEvent {
                    kind: "fabric",
                    ..NewEvent::plain(now, "fabric.created", "test", "")
                };
                events::append(conn, &event)?;
                let mut held = held.lock().unwrap();
                held.0.take().unwrap().send(()).unwrap();
                held.1.recv().unwrap();
                Ok::<_, DbError>(())
            };
            db.transaction(write).await.unwrap();
        });
        written.await.unwrap();
        let page = browser.get("/fabrics").await.body;
        let cursor = page.split("data-cursor=\"").nth(1).unwrap().split('"').next().unwrap();
        release.send(()).unwrap();
        writing.join_next().await.unwrap().unwrap();
        world.region.log.ring();
        let mut stream = browser.live("fabric", Some(cursor)).await;
        assert_eq!(stream.next().await.event, "live");
        assert_eq!(stream.next().await.data, "fabric");
    })
    .await;
}
