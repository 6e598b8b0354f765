use proto::v1::{ReleaseRequest, ReleaseResponse};
use tonic::{Request, Response, Status};

use super::{Door, status};
use crate::operations::lease;

pub(super) async fn release(
    door: &Door,
    request: Request<ReleaseRequest>,
) -> Result<Response<ReleaseResponse>, Status> {
    let (actor, request) = (Door::actor(&request)?, request.into_inner());
    let write = request.write.unwrap_or_default();
    let released = lease::release(&door.region, &actor, &request.id, &write).await;
    status::answer(released.map(|()| ReleaseResponse {}))
}
