//! How a rack becomes known, and stays so.

use common::Secret;
use proto::v1;
use tonic::{Request, Response, Status};

use super::{Racks, Refusal};
use crate::{
    api::status,
    auth::{authority::AuthorityError, identity::Peer},
    operations::{
        OperationError,
        rack::{self, JoinError, Joining},
    },
};

#[tonic::async_trait]
impl v1::enrol_server::Enrol for Racks {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let peer = request.extensions().get::<Peer>().cloned();
        let request = request.into_inner();
        let joining = Joining {
            secret: Secret::new(request.secret),
            signing_request: request.signing_request,
            name: request.name,
            version: request.version,
            address: peer
                .as_ref()
                .map(|peer| peer.address.ip().to_canonical().to_string())
                .unwrap_or_default(),
        };
        match rack::join(&self.region, joining, self.signing.clone()).await {
            Ok(joined) => {
                tracing::info!(rack = %joined.name, "rack joined");
                Ok(Response::new(v1::JoinResponse {
                    rack_id: joined.rack.to_string(),
                    name: joined.name,
                    certificate: joined.issued.certificate.to_vec(),
                    authority: self.signing.authority.certificate().to_vec(),
                }))
            }
            Err(error) => {
                if let (Some(peer), Some(why)) = (peer, reason(&error)) {
                    self.refusals.note(Refusal { address: peer.address, rack: None, why });
                }
                Err(refusal(error))
            }
        }
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let (identity, _) = self.admit(&request).await?;
        let request = request.into_inner().signing_request;
        let signing = self.signing.clone();
        let rack = identity.rack;
        let issued = rack::renew(&self.region, identity, request, signing).await;
        let issued = issued.map_err(refusal)?;
        tracing::info!(%rack, serial = %issued.serial, "certificate renewed");
        Ok(Response::new(v1::RenewResponse { certificate: issued.certificate.to_vec() }))
    }
}

/// For log and event; None when it was not the rack's fault.
fn reason(error: &JoinError) -> Option<String> {
    match error {
        JoinError::Operation(OperationError::Db(_)) => None,
        JoinError::UnknownToken
        | JoinError::Unusable(_)
        | JoinError::Taken(_)
        | JoinError::Name { .. }
        | JoinError::NotGood
        | JoinError::Authority(_)
        | JoinError::Operation(_) => Some(error.to_string()),
    }
}

fn refusal(error: JoinError) -> Status {
    match error {
        JoinError::Operation(error) => status::of(error),
        JoinError::UnknownToken
        | JoinError::Unusable(_)
        | JoinError::Taken(_)
        | JoinError::NotGood
        | JoinError::Name { .. } => Status::permission_denied(error.to_string()),
        JoinError::Authority(AuthorityError::Request(_) | AuthorityError::Key) => {
            Status::invalid_argument(format!("signing_request: {error}"))
        }
        JoinError::Authority(_) => {
            tracing::error!(error = %runtime::telemetry::Causes(&error), "a certificate was not signed");
            Status::internal("the region met an error of its own; its log has the details")
        }
    }
}
