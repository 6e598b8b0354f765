//! A rack that is revoked or deleted, in this region or another, loses its connections at once, and one that opened a newer stream, in this region or
//! another, loses the older: this hears it from the event log.

use common::RackId;
use runtime::telemetry::Causes;
use std::time::Duration;

use crate::{
    Region,
    auth::identity::RackIdentity,
    db::certificates::Standing,
    events::Event,
    listen::Connections,
    operations::{rack, session},
};

const RETRY: Duration = Duration::from_secs(1);

pub(super) fn spawn(region: &Region, connections: Connections) {
    let (own, shutdown) = (region.clone(), region.tasks.shutdown());
    region.tasks.spawn("revocations", async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run(&own, &connections) => {}
        }
    });
}

async fn run(region: &Region, connections: &Connections) {
    loop {
        match region.log.follow_from_now().await {
            Ok(mut follower) => {
                // Those that were cut off before this began to listen.
                look_at_all(region, connections).await;
                while let Ok(event) = follower.next().await {
                    if let Some(rack) = ended(&event) {
                        cut(region, connections, rack);
                    }
                    if let Some(rack) = connected(&event) {
                        end_older(region, rack).await;
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "cannot hear which racks are revoked"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn ended(event: &Event) -> Option<RackId> {
    let ends = event.name == "rack.revoked" || event.name == "rack.deleted";
    event.object.filter(|_| ends).map(RackId::new)
}

fn connected(event: &Event) -> Option<RackId> {
    event.object.filter(|_| event.name == "rack.connected").map(RackId::new)
}

async fn end_older(region: &Region, rack: RackId) {
    let Some(own) = region.racks.session(rack) else { return };
    match session::is_overtaken(region, rack, own.id).await {
        Ok(true) => {
            tracing::info!(%rack, "it has opened a newer stream; the older one here ends");
            region.racks.end_stream(rack, own.id);
        }
        Ok(false) => {}
        // The next look at which streams are alive finds it too.
        Err(error) => {
            tracing::debug!(%rack, error = %Causes(&error), "its streams were not compared");
        }
    }
}

fn cut(region: &Region, connections: &Connections, rack: RackId) {
    tracing::info!(%rack, "revoked: its connections are cut");
    region.racks.end(rack);
    connections.cut(rack);
}

async fn look_at_all(region: &Region, connections: &Connections) {
    for identity in connections.identities() {
        let rack = identity.rack;
        // A replaced one's rack has its stream with the newer by now.
        if let Ok(Standing::Revoked | Standing::Unknown) = standing(region, &identity).await {
            cut(region, connections, rack);
        }
    }
}

async fn standing(
    region: &Region,
    identity: &RackIdentity,
) -> Result<Standing, crate::operations::OperationError> {
    rack::standing(region, identity).await
}
