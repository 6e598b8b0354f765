//! Which racks have their stream in this process.

use common::{
    RackId,
    report::RackCounts,
    request::{Answer, Request},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::requests::Asked;

#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<HashMap<RackId, Session>>>);

/// One stream, as the rest of the process sees it.
#[derive(Clone)]
pub struct Session {
    pub id: Uuid,
    pub requests: mpsc::Sender<Asked>,
    /// Cancelled: the stream is to end.
    pub end: CancellationToken,
    /// As the rack told them last; None: it told none.
    pub counts: Option<RackCounts>,
}

impl Session {
    pub async fn ask(&self, request: Request, deadline: Duration) -> Result<Answer, AskError> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { request, deadline, answer };
        let asking = async {
            self.requests.send(asked).await.map_err(|_| AskError::Unreachable)?;
            answered.await.map_err(|_| AskError::Unknown)
        };
        tokio::time::timeout(deadline, asking).await.unwrap_or(Err(AskError::Unknown))
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AskError {
    /// Nothing was sent.
    #[error("the rack has no stream to this region now; nothing was asked of it")]
    Unreachable,
    /// It may have been done or not.
    #[error("the rack did not answer in time; whether it was done is unknown")]
    Unknown,
}

impl Registry {
    /// A rack has one stream: a newer one ends the older.
    pub fn enter(&self, rack: RackId, session: Session) {
        let older = self.lock().insert(rack, session);
        if let Some(older) = older {
            older.end.cancel();
        }
        metrics::gauge!("hostler_rack_sessions").set(self.lock().len() as f64);
    }

    /// Unless a newer stream has taken its place.
    pub fn leave(&self, rack: RackId, session: Uuid) {
        let mut sessions = self.lock();
        if sessions.get(&rack).is_some_and(|own| own.id == session) {
            sessions.remove(&rack);
        }
        metrics::gauge!("hostler_rack_sessions").set(sessions.len() as f64);
    }

    pub fn end(&self, rack: RackId) {
        if let Some(session) = self.lock().get(&rack) {
            session.end.cancel();
        }
    }

    /// This stream and no newer one.
    pub fn end_stream(&self, rack: RackId, session: Uuid) {
        if let Some(own) = self.lock().get(&rack).filter(|own| own.id == session) {
            own.end.cancel();
        }
    }

    /// Every rack with its stream's id.
    pub fn sessions(&self) -> Vec<(RackId, Uuid)> {
        self.lock().iter().map(|(rack, session)| (*rack, session.id)).collect()
    }

    /// What the rack has counted up to now, unless a newer stream has taken the place of this one.
    pub fn note_counts(&self, rack: RackId, session: Uuid, counts: RackCounts) {
        if let Some(own) = self.lock().get_mut(&rack).filter(|own| own.id == session) {
            own.counts = Some(counts);
        }
    }

    /// Of each stream whose rack told them.
    pub fn counts(&self) -> HashMap<Uuid, RackCounts> {
        let sessions = self.lock();
        let told = sessions.values().filter_map(|own| Some((own.id, own.counts.clone()?)));
        told.collect()
    }

    /// The stream of a rack, if it is here.
    pub fn session(&self, rack: RackId) -> Option<Session> {
        self.lock().get(&rack).cloned()
    }

    /// Asks a rack whose stream is here and waits for its answer, at most until the deadline.
    pub async fn ask(
        &self,
        rack: RackId,
        request: Request,
        deadline: Duration,
    ) -> Result<Answer, AskError> {
        let session = self.session(rack).ok_or(AskError::Unreachable)?;
        session.ask(request, deadline).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RackId, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::VlanId;

    const SOON: Duration = Duration::from_millis(20);

    fn session() -> (Session, mpsc::Receiver<Asked>) {
        let (requests, asked) = mpsc::channel(1);
        let (id, end) = (Uuid::now_v7(), CancellationToken::new());
        (Session { id, requests, end, counts: None }, asked)
    }

    fn request() -> Request {
        Request::ReleaseLease { vlan: VlanId::new(Uuid::nil()), address: [10, 0, 0, 1].into() }
    }

    #[tokio::test]
    async fn a_request_is_answered_or_unknown_or_never_sent() {
        let (registry, rack) = (Registry::default(), RackId::new(Uuid::from_u128(1)));
        assert_eq!(registry.ask(rack, request(), SOON).await, Err(AskError::Unreachable));
        let (own, mut asked) = session();
        registry.enter(rack, own.clone());
        let answer = async {
            let asked = asked.recv().await.unwrap();
            asked.answer.send(Answer::Refused("no such lease".into())).unwrap();
        };
        let (answered, ()) = tokio::join!(registry.ask(rack, request(), SOON), answer);
        assert_eq!(answered, Ok(Answer::Refused("no such lease".into())));
        assert_eq!(registry.ask(rack, request(), SOON).await, Err(AskError::Unknown));
        drop(asked);
        assert_eq!(registry.ask(rack, request(), SOON).await, Err(AskError::Unreachable));
    }

    #[test]
    fn a_newer_stream_takes_the_place_of_the_older() {
        let (registry, rack) = (Registry::default(), RackId::new(Uuid::from_u128(1)));
        let ((older, _asked), (newer, _heard)) = (session(), session());
        registry.enter(rack, older.clone());
        registry.enter(rack, newer.clone());
        assert!(older.end.is_cancelled() && !newer.end.is_cancelled());
        registry.leave(rack, older.id);
        registry.end_stream(rack, older.id);
        let counts = |offers| RackCounts { offers, ..RackCounts::default() };
        registry.note_counts(rack, older.id, counts(7));
        assert!(registry.counts().is_empty());
        registry.note_counts(rack, newer.id, counts(3));
        assert_eq!(registry.counts(), [(newer.id, counts(3))].into());
        assert_eq!(registry.sessions(), [(rack, newer.id)]);
        assert!(!newer.end.is_cancelled());
        registry.end_stream(rack, newer.id);
        assert!(newer.end.is_cancelled());
        registry.leave(rack, newer.id);
        assert!(registry.sessions().is_empty());
    }
}
