use proto::v1::{CreateMachineRequest, Machine};
use tonic::{Request, Response, Status};

use super::{Door, status};
use crate::operations::machine;

pub(super) async fn create(
    door: &Door,
    request: Request<CreateMachineRequest>,
) -> Result<Response<Machine>, Status> {
    let (actor, request) = (Door::actor(&request)?, request.into_inner());
    let keep = !request.write.as_ref().is_some_and(|write| write.validate_only);
    let made = door.region.write_if(keep, &actor, move |tx| machine::create(tx, &request)).await;
    let (made, cursor) = made.map_err(status::of)?;
    Ok(status::with_cursor(Response::new(made), cursor))
}
