//! The one stream to region: state both ways, facts up, requests down.

mod assemble;
mod connect;
mod counts;
mod facts;
mod outbox;
mod renew;
mod session;
mod state;

pub use counts::Counts;
pub use outbox::{Outbox, OutboxError};

use common::Timestamp;
use runtime::{clock::Clock, tasks::Tasks, tls::Trust};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    apply::Applied,
    services::{Statuses, dhcp::DhcpService},
    store::{
        identity::{Credentials, IdentityStore, Membership},
        marks::Marks,
    },
};

/// How the link is, for people.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub struct LinkStatus {
    /// The rack's id.
    pub rack: String,
    pub name: String,
    pub state: LinkState,
    /// RFC 3339: since when it is in this state.
    pub since: String,
    /// Where region is looked for, or why it is not reached.
    pub detail: String,
    /// The number of the newest lease fact that region has recorded.
    pub recorded_fact: u64,
    /// RFC 3339: when this rack's certificate ends.
    pub certificate_ends: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    Connecting,
    Connected,
    /// It is tried again and again; DHCP goes on meanwhile.
    Unreachable,
    /// Region does not let this rack in; DHCP goes on meanwhile.
    Refused,
}

/// What a link connects: region on one side, the parts of the rack on the other.
pub struct Link {
    pub membership: Membership,
    pub credentials: watch::Sender<Credentials>,
    pub identity: IdentityStore,
    /// Where region is.
    pub addresses: Vec<String>,
    pub marks: Marks,
    pub incarnation: watch::Sender<Uuid>,
    pub applied: Applied,
    pub services: Statuses,
    pub dhcp: DhcpService,
    /// One for each class of facts.
    pub outboxes: Vec<Outbox>,
    pub counts: Counts,
    pub clock: Clock,
    /// By which certificates are judged: never earlier than the newest time on this rack's disk.
    pub validity: Clock,
    pub status: watch::Sender<LinkStatus>,
}

impl Link {
    /// As it is before the first attempt.
    pub fn first_status(
        membership: &Membership,
        credentials: &Credentials,
        now: Timestamp,
    ) -> LinkStatus {
        LinkStatus {
            rack: membership.rack.to_string(),
            name: membership.name.clone(),
            state: LinkState::Connecting,
            since: now.to_string(),
            detail: String::new(),
            recorded_fact: 0,
            certificate_ends: credentials.ends().to_string(),
        }
    }

    /// Connects, and again whenever the stream ends, until shutdown.
    pub fn spawn(self, tasks: &Tasks) {
        let shutdown = tasks.shutdown();
        tasks.spawn("link", async move {
            tokio::select! {
                () = connect::run(&self) => {}
                never = self.counts.run() => match never {},
                () = shutdown.cancelled() => {}
            }
        });
    }

    pub fn trust(&self) -> Trust {
        Trust::Authorities(vec![self.membership.authority.clone()])
    }

    fn enter(&self, state: LinkState, detail: String) {
        let connected = state == LinkState::Connected;
        metrics::gauge!("hostler_rack_region_connected").set(if connected { 1.0 } else { 0.0 });
        let now = self.clock.now();
        self.status.send_modify(|status| {
            if status.state != state {
                status.since = now.to_string();
            }
            (status.state, status.detail) = (state, detail);
        });
    }
}
