//! Following a change to the racks.

use common::{Objection, Refusal};
use proto::v1::{self, convergence_server};
use runtime::backoff::Backoff;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Door, status};
use crate::{
    Region,
    auth::Actor,
    events::{self, Cursor},
    operations::{OperationError, convergence},
};

/// A client that does not read holds up its own report and nothing else.
const AHEAD: usize = 16;
/// Verdicts of this process's racks are heard at once; those of another region's, and racks that fall silent, are seen this often.
const LOOK: Duration = Duration::from_millis(250);
/// While no pass includes the change: a transaction that is still open can hold that up, and every nudge is a pass.
const SOON: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);

type Reports = mpsc::Sender<Result<v1::WaitProgress, Status>>;

#[tonic::async_trait]
impl convergence_server::Convergence for Door {
    type WaitStream = ReceiverStream<Result<v1::WaitProgress, Status>>;

    async fn wait(
        &self,
        request: Request<v1::WaitRequest>,
    ) -> Result<Response<Self::WaitStream>, Status> {
        let (actor, request) = (Self::actor(&request)?, request.into_inner());
        let cursor = self.cursor(&actor, &request.cursor).await.map_err(status::of)?;
        let (to, from) = mpsc::channel(AHEAD);
        let region = self.region.clone();
        self.region.tasks.spawn_brief("convergence", async move {
            let shutdown = region.tasks.shutdown();
            let followed = tokio::select! {
                followed = follow(&region, &actor, cursor, &to) => followed,
                () = to.closed() => return,
                () = shutdown.cancelled() => return,
            };
            if let Err(error) = followed {
                let _ = to.send(Err(status::of(error))).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(from)))
    }

    async fn overview(
        &self,
        request: Request<v1::OverviewRequest>,
    ) -> Result<Response<v1::OverviewResponse>, Status> {
        let actor = Self::actor(&request)?;
        status::answer(self.region.read(&actor, convergence::overview).await)
    }
}

impl Door {
    async fn cursor(&self, actor: &Actor, text: &str) -> Result<Cursor, OperationError> {
        if text.is_empty() {
            return self.region.read(actor, |tx| Ok(events::now(tx.conn)?)).await;
        }
        text.parse().map_err(|refusal: Refusal| {
            OperationError::Refused(vec![Objection::new("cursor", text, refusal.0)])
        })
    }
}

/// Returns once everything has settled.
async fn follow(
    region: &Region,
    actor: &Actor,
    cursor: Cursor,
    to: &Reports,
) -> Result<(), OperationError> {
    let mut verdicts = region.configurations.verdicts();
    let mut told = convergence::Told::default();
    let mut first = true;
    let mut pause = Backoff::new(SOON, SELDOM);
    loop {
        verdicts.mark_unchanged();
        let touched = region.read(actor, move |tx| convergence::touched(tx, cursor)).await?;
        let Some(now) = touched else {
            // The pass that was woken by the change may have come too early to include it.
            region.configurations.nudge();
            let _ = tokio::time::timeout(pause.next(), verdicts.changed()).await;
            continue;
        };
        let settled = now.iter().all(convergence::is_settled);
        let scopes = told.news(now);
        if first || settled || !scopes.is_empty() {
            let _ = to.send(Ok(v1::WaitProgress { scopes, settled })).await;
        }
        first = false;
        if settled {
            return Ok(());
        }
        let _ = tokio::time::timeout(LOOK, verdicts.changed()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;
    use runtime::{clock::Clock, tasks::Tasks};
    use std::time::Instant;

    #[tokio::test]
    async fn who_waits_for_a_pass_that_cannot_come_asks_ever_less_often() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("region.db");
        let database = database.to_str().unwrap();
        let region = Region::open(database, Tasks::new(), Clock::system()).await.unwrap();
        let actor = Actor { name: "test".into(), role: Role::Admin };
        // Without a reconciler no pass reaches any cursor.
        let cursor = region.db.read(events::now).await.unwrap();
        let (to, _from) = mpsc::channel(AHEAD);
        let start = Instant::now();
        tokio::select! {
            ended = follow(&region, &actor, cursor, &to) => panic!("{ended:?}"),
            () = async {
                for _ in 0..6 {
                    region.configurations.nudged().await;
                }
            } => {}
        }
        // Half of 20, 40, 80, 160 and 320 ms: what the jitter leaves at least.
        assert!(start.elapsed() >= SOON * 31 / 2, "{:?}", start.elapsed());
    }
}
