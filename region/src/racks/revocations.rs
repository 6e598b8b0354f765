//! A rack that is revoked or deleted, in this region or another, loses its connections at once: this hears it from the event log.

use common::RackId;
use std::time::Duration;

use crate::{
    Region, auth::identity::RackIdentity, db::certificates::Standing, events::Event,
    listen::Connections, operations::rack,
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
