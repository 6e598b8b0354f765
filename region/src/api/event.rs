use proto::v1::{
    Event, EventEvent, GetRequest, ListEventsResponse, ListRequest, WatchRequest, events_server,
};
use tonic::{Request, Response, Status};

use super::{Door, Watched, status, stream};
use crate::operations::event;

#[tonic::async_trait]
impl events_server::Events for Door {
    type WatchStream = Watched<EventEvent>;

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Event>, Status> {
        let (actor, request) = (Self::actor(&request)?, request.into_inner());
        status::answer(self.region.read(&actor, move |tx| event::get(tx, &request.id)).await)
    }

    async fn list(
        &self,
        request: Request<ListRequest>,
    ) -> Result<Response<ListEventsResponse>, Status> {
        let (actor, request) = (Self::actor(&request)?, request.into_inner());
        let page = self.region.read(&actor, move |tx| event::list(tx, &request)).await;
        status::answer(page.map(|page| ListEventsResponse {
            items: page.items,
            next_page_token: page.next_page_token,
        }))
    }

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (actor, request) = (Self::actor(&request)?, request.into_inner());
        let watch = event::watch(self.region.clone(), actor, request);
        Ok(stream(watch, |next| EventEvent {
            cursor: next.cursor,
            change: next.change.into(),
            item: next.item,
        }))
    }
}
