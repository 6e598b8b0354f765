use proto::v1::{Rack, RevokeRequest};
use tonic::{Request, Response, Status};

use super::{Door, status};
use crate::operations::rack;

pub(super) async fn revoke(
    door: &Door,
    request: Request<RevokeRequest>,
) -> Result<Response<Rack>, Status> {
    let (actor, request) = (Door::actor(&request)?, request.into_inner());
    let write = request.write.unwrap_or_default();
    let revoke = door.region.write_at(&actor, move |tx| rack::revoke(tx, &request.id, &write));
    status::written(revoke.await)
}
