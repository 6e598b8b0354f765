//! The rack's own state as region is told it: whole at first, then each list that changed.

use common::report::RackCounts;
use proto::v1;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

use crate::{
    apply::{Applied, InterfaceUse, NamedStatus},
    services::Statuses,
};

/// A list goes whole each time, so that a thousand scopes that change one after the other are not told a thousand times.
const GAP: Duration = Duration::from_millis(20);

pub(super) struct StateFeed {
    scopes: watch::Receiver<Arc<[NamedStatus]>>,
    interfaces: watch::Receiver<Arc<[InterfaceUse]>>,
    services: Statuses,
    counts: watch::Receiver<RackCounts>,
    told: Instant,
}

impl StateFeed {
    pub(super) fn new(
        applied: &Applied,
        services: &Statuses,
        counts: watch::Receiver<RackCounts>,
    ) -> Self {
        let services = services.clone();
        let (scopes, interfaces) = (applied.scopes(), applied.interfaces());
        Self { scopes, interfaces, services, counts, told: Instant::now() }
    }

    pub(super) fn whole(&mut self) -> v1::RackState {
        v1::RackState {
            scopes: Some(self.scopes()),
            services: Some(self.services()),
            interfaces: Some(self.interfaces()),
            counts: Some(self.counts()),
        }
    }

    /// Waits for a change; only the latest is told.
    pub(super) async fn changed(&mut self) -> v1::RackState {
        tokio::time::sleep_until(self.told + GAP).await;
        let mut state = v1::RackState::default();
        tokio::select! {
            () = news(&mut self.scopes) => state.scopes = Some(self.scopes()),
            () = news(&mut self.interfaces) => state.interfaces = Some(self.interfaces()),
            () = self.services.changed() => state.services = Some(self.services()),
            () = news(&mut self.counts) => state.counts = Some(self.counts()),
        }
        self.told = Instant::now();
        state
    }

    fn scopes(&mut self) -> v1::ScopeStatuses {
        let known = self.scopes.borrow_and_update();
        v1::ScopeStatuses { items: known.iter().map(|named| (&named.status).into()).collect() }
    }

    fn interfaces(&mut self) -> v1::RackInterfaces {
        let known = self.interfaces.borrow_and_update();
        v1::RackInterfaces { items: known.iter().map(|own| (&own.interface).into()).collect() }
    }

    fn services(&mut self) -> v1::ServiceStatuses {
        v1::ServiceStatuses { items: self.services.read().iter().map(Into::into).collect() }
    }

    fn counts(&mut self) -> v1::RackCounts {
        (&*self.counts.borrow_and_update()).into()
    }
}

/// Never, once the sender is gone: the rack is shutting down, and this task with it.
async fn news<T>(of: &mut watch::Receiver<T>) {
    if of.changed().await.is_err() {
        std::future::pending().await
    }
}
