//! The racks' door: who is let in, their streams, and what comes in over them.

pub mod acknowledgements;
pub mod boot_files;
pub mod enrol;
pub mod ingest;
mod refusals;
mod relay;
mod revocations;
mod session;

use std::{net::SocketAddr, sync::Arc};
use tokio::sync::mpsc;
use tonic::{Request, Status};

use crate::{
    Region,
    api::status,
    auth::identity::{Peer, RackIdentity},
    db::certificates::Standing,
    listen::{Connections, Refused},
    operations::rack::{self, Signing},
};
use ingest::Batch;
use refusals::{Refusal, Refusals};

#[derive(Clone)]
pub struct Racks {
    region: Region,
    signing: Signing,
    ingest: mpsc::Sender<Batch>,
    refusals: Refusals,
}

impl Racks {
    /// With the tasks that it needs: recording facts, noting refusals, cutting off racks that are revoked, passing on what other regions ask.
    pub fn spawn(region: &Region, signing: Signing, connections: Connections) -> Self {
        revocations::spawn(region, connections);
        relay::spawn(region);
        Self {
            region: region.clone(),
            signing,
            ingest: ingest::spawn(region),
            refusals: Refusals::spawn(region),
        }
    }

    /// For those whom TLS turns away.
    pub fn refused(&self) -> Refused {
        let refusals = self.refusals.clone();
        Arc::new(move |address: SocketAddr, why: String| {
            refusals.note(Refusal { address, rack: None, why });
        })
    }

    /// Whose certificate a request came with: one that this region signed, has not revoked, and whose rack there still is.
    async fn admit<T>(&self, request: &Request<T>) -> Result<(RackIdentity, SocketAddr), Status> {
        self.admit_peer(request.extensions().get::<Peer>().cloned()).await
    }

    async fn admit_peer(&self, peer: Option<Peer>) -> Result<(RackIdentity, SocketAddr), Status> {
        let peer = peer.ok_or_else(|| Status::internal("a request without its connection"))?;
        let Some(identity) = peer.rack else {
            let why = "a rack shows the certificate that it got as it joined";
            return Err(Status::unauthenticated(why));
        };
        let mut standing = rack::standing(&self.region, &identity).await.map_err(status::of)?;
        if standing == Standing::Unused {
            let begun = rack::begin_use(&self.region, &identity).await;
            standing = begun.map_err(status::of)?;
        }
        let why = match standing {
            Standing::Good | Standing::Unused => return Ok((identity, peer.address)),
            Standing::Revoked => "this certificate was revoked; join again with a new token",
            Standing::Replaced => {
                "this certificate was replaced: its rack has shown a newer one. If this is that rack, of a backup of its disk, join again with a new token"
            }
            Standing::Unknown => {
                "region does not know this certificate; join again with a new token"
            }
        };
        self.refusals.note(Refusal {
            address: peer.address,
            rack: Some(identity.rack),
            why: why.into(),
        });
        Err(Status::permission_denied(why))
    }
}
