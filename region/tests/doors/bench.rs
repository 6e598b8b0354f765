//! A region with its doors open, and hands to knock at them.

use common::Secret;
use hostler_integration_tests::fake_rack::{FakeRack, Stream};
use prost::Message;
use proto::v1;
use region::{
    Region,
    auth::{Actor, Role, authorities::operators_certificate},
    config::Config,
    db::DbError,
    events::{self, Batch, Cursor, Event},
    operations::{OperationError, erased::Patch, rack_token},
    resources,
    server::{self, Server},
};
use runtime::{
    channel::{Target, channel},
    clock::Clock,
    tasks::Tasks,
    tls::{Trust, client_config},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tonic::{Request, transport::Channel};

use super::support::{World, item, on_both, settled};

/// Longer than anything that goes well takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Doors {
    pub(crate) server: Server,
    pub(crate) tasks: Tasks,
    pub(crate) clock: Clock,
    _folder: tempfile::TempDir,
}

pub(crate) async fn doors(world: &World) -> Doors {
    open(world, None, Duration::from_secs(86_400)).await
}

/// On each database.
pub(crate) async fn with_doors(test: impl AsyncFn(&Doors)) {
    on_both(async |world| {
        let doors = doors(world).await;
        test(&doors).await;
        doors.close().await;
    })
    .await;
}

/// `key` is the key file of another region of the same database.
pub(crate) async fn open(world: &World, key: Option<&Path>, lifetime: Duration) -> Doors {
    let folder = tempfile::tempdir().unwrap();
    let here = || vec!["127.0.0.1:0".parse().unwrap()];
    let mut config = Config {
        state_directory: folder.path().into(),
        database: Some(Secret::new(world.url.clone())),
        ..Config::default()
    };
    (config.operators.listen, config.racks.listen) = (here(), here());
    config.racks.certificate_lifetime = lifetime;
    if let Some(key) = key.filter(|key| *key != config.key_file()) {
        std::fs::copy(key, config.key_file()).unwrap();
    }
    let (tasks, clock) = (Tasks::new(), Clock::system());
    let server = server::start(&config, tasks.clone(), clock.clone()).await.unwrap();
    Doors { server, tasks, clock, _folder: folder }
}

pub(crate) fn admin() -> Actor {
    Actor { name: "test".into(), role: Role::Admin }
}

impl Doors {
    pub(crate) fn region(&self) -> &Region {
        &self.server.region
    }

    /// Through the operators' door.
    pub(crate) async fn operators(&self) -> Channel {
        let own = self.region().db.read(operators_certificate).await.unwrap().unwrap();
        let trust = Trust::Authorities(vec![own]);
        let config = client_config(&trust, None, &Clock::system()).unwrap();
        let target = Target {
            addresses: vec![self.server.operators[0].to_string()],
            name: "localhost".try_into().unwrap(),
        };
        channel(&target, config).await.unwrap()
    }

    /// Time that goes by for this region, and for nobody else.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.set(self.clock.now().shifted(i64::try_from(time.as_micros()).unwrap()));
    }

    pub(crate) fn key_file(&self, world: &World) -> std::path::PathBuf {
        match world.url.contains("://") {
            true => self._folder.path().join("region.key"),
            false => format!("{}.key", world.url).into(),
        }
    }

    /// `create("vlan", "fabric=dc1 vid=10")`
    pub(crate) async fn create(&self, noun: &str, fields: &str) {
        let resource = resources::by_noun(noun).unwrap();
        let ((item, _), actor) = (item(noun, fields), admin());
        let create = self
            .region()
            .write(&actor, move |tx| resource.create(tx, &item, &v1::Write::default()));
        create.await.unwrap();
    }

    /// Where the change is in the log.
    pub(crate) async fn update(&self, noun: &str, id: &str, fields: &str) -> Cursor {
        let resource = resources::by_noun(noun).unwrap();
        let ((item, mask), id, actor) = (item(noun, fields), id.to_owned(), admin());
        let update = self.region().write_at(&actor, move |tx| {
            let patch = Patch { item: &item, mask: &mask };
            resource.update(tx, &id, &patch, &v1::Write::default())
        });
        update.await.unwrap().1
    }

    pub(crate) async fn token(&self, fields: &str) -> String {
        let (doorstep, actor) = (self.region().doorstep.clone().unwrap(), admin());
        let wish = item("rack-token", fields).0.transcode_to::<v1::RackToken>().unwrap();
        let create = self.region().write(&actor, move |tx| {
            rack_token::create(tx, &doorstep, wish.clone(), &v1::Write::default())
        });
        create.await.unwrap().secret
    }

    pub(crate) async fn rack(&self, name: &str) -> FakeRack {
        let token = self.token(&format!("name={name}")).await;
        FakeRack::join(&token, "somebody").await.unwrap()
    }

    /// `r1`, connected, and its network.
    pub(crate) async fn serving_rack(&self) -> (FakeRack, Stream) {
        let rack = self.rack("r1").await;
        self.network("r1").await;
        let stream = rack.connect(rack.hello()).await.unwrap();
        (rack, stream)
    }

    /// A VLAN that the rack serves, with a subnet and a range.
    pub(crate) async fn network(&self, rack: &str) {
        self.create("fabric", "name=dc1").await;
        self.create("vlan", &format!("fabric=dc1 vid=10 primary_rack={rack}")).await;
        self.create("subnet", "vrf=default vlan=dc1/10 cidr=10.0.0.0/24 gateway=10.0.0.1").await;
        let range = "subnet=10.0.0.0/24 first=10.0.0.100 last=10.0.0.200 dynamic=true";
        self.create("range", range).await;
    }

    pub(crate) async fn log(&self) -> Vec<Event> {
        settled(self.region()).await;
        let read = self.region().db.read(|conn| {
            let start = Cursor::start(events::epoch(conn)?);
            match events::after(conn, start, i64::MAX)? {
                Batch::Events(found, _) => Ok::<_, DbError>(found),
                Batch::Compacted(floor) => panic!("compacted up to {floor}"),
            }
        });
        read.await.unwrap()
    }

    /// Events of this name: key and detail.
    pub(crate) async fn told(&self, name: &str) -> Vec<(String, String)> {
        let log = self.log().await.into_iter().filter(|event| event.name == name);
        log.map(|event| (event.key, event.detail)).collect()
    }

    /// Waits for an event of this name whose detail has these words.
    pub(crate) async fn tells(&self, name: &str, words: &str) {
        eventually(name, async || {
            self.told(name).await.iter().any(|(_, detail)| detail.contains(words))
        })
        .await;
    }

    pub(crate) async fn list<M: Message + Default>(&self, noun: &str) -> Vec<M> {
        let (resource, actor) = (resources::by_noun(noun).unwrap(), admin());
        let list =
            self.region().read(&actor, move |tx| resource.list(tx, &v1::ListRequest::default()));
        let page: Result<_, OperationError> = list.await;
        page.unwrap().items.iter().map(|item| item.transcode_to().unwrap()).collect()
    }

    pub(crate) async fn close(self) {
        let late = self.tasks.close(LIMIT).await;
        assert!(late.is_empty(), "did not end: {late:?}");
    }
}

/// `message` with this token.
pub(crate) fn bearing<M>(secret: &str, message: M) -> Request<M> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {secret}");
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request
}

/// Looks until it is so.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
