use proto::v1::{CreateRackTokenRequest, RackToken};
use tonic::{Request, Response, Status};

use super::{Door, status};
use crate::operations::rack_token;

pub(super) async fn create(
    door: &Door,
    request: Request<CreateRackTokenRequest>,
) -> Result<Response<RackToken>, Status> {
    let (actor, request) = (Door::actor(&request)?, request.into_inner());
    let (item, write) = (request.item.unwrap_or_default(), request.write.unwrap_or_default());
    let doorstep = door.region.doorstep.clone();
    let doorstep =
        doorstep.ok_or_else(|| Status::failed_precondition("this region serves no racks"))?;
    let made = door
        .region
        .write_at(&actor, move |tx| rack_token::create(tx, &doorstep, item.clone(), &write));
    status::written(made.await)
}
