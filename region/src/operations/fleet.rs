//! Every rack with all that is known of it: who it is, whether it is there, what its services do, how far each of its scopes is.

use common::report::RackCounts;
use plan::Rack;
use prost::Message;
use proto::v1::{self, Progress};
use std::collections::HashMap;
use uuid::Uuid;

use super::{OperationError, Tx, convergence, list::list, session};
use crate::{
    auth::{Verb, authorise},
    db::sessions,
};

#[derive(Clone, Debug)]
pub struct Member {
    pub rack: v1::Rack,
    pub key: String,
    pub services: Vec<v1::ServiceStatus>,
    pub interfaces: Vec<v1::RackInterface>,
    pub scopes: Vec<v1::ScopeProgress>,
    /// None: they are not known, for the rack is away or told none.
    pub counts: Option<RackCounts>,
}

impl Member {
    pub fn with(&self, progress: Progress) -> impl Iterator<Item = &v1::ScopeProgress> {
        self.scopes.iter().filter(move |scope| scope.progress() == progress)
    }

    /// Everything that region wants of it is applied or standby.
    pub fn is_current(&self) -> bool {
        let settled = |scope: &v1::ScopeProgress| {
            matches!(scope.progress(), Progress::Applied | Progress::Standby)
        };
        self.scopes.iter().all(settled)
    }

    /// The newest generation that is wanted of it; 0 while it serves nothing.
    pub fn wanted(&self) -> u64 {
        let numbers = self.scopes.iter().filter_map(|scope| Some(scope.wanted?.number));
        numbers.max().unwrap_or_default()
    }
}

/// By key.
pub fn fleet(tx: &mut Tx<'_>) -> Result<Vec<Member>, OperationError> {
    let mut racks = Vec::new();
    let mut request = v1::ListRequest { page_size: 1000, ..v1::ListRequest::default() };
    loop {
        let page = list::<Rack>(tx, &request)?;
        racks.extend(page.items);
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let mut scopes: HashMap<String, Vec<v1::ScopeProgress>> = HashMap::new();
    for scope in convergence::scopes(tx)? {
        scopes.entry(scope.rack.clone()).or_default().push(scope);
    }
    let sessions = sessions::load_all(tx.conn)?;
    let mut sessions: HashMap<String, sessions::SessionRow> = sessions
        .into_iter()
        .filter_map(|row| row.ids().map(|(rack, _)| (rack.to_string(), row)))
        .collect();
    let member = |rack: v1::Rack| {
        let (id, key) = rack
            .meta
            .as_ref()
            .map_or_else(Default::default, |meta| (meta.id.clone(), meta.key.clone()));
        let session = sessions.remove(&id);
        let bytes =
            |of: fn(&sessions::SessionRow) -> &[u8]| session.as_ref().map(of).unwrap_or_default();
        // What an older region wrote and this one cannot read is not known.
        let services = v1::ServiceStatuses::decode(bytes(|row| &row.services)).unwrap_or_default();
        let interfaces =
            v1::RackInterfaces::decode(bytes(|row| &row.interfaces)).unwrap_or_default();
        Member {
            services: services.items,
            interfaces: interfaces.items,
            scopes: scopes.remove(&key).unwrap_or_default(),
            counts: session.as_ref().and_then(session::counts),
            rack,
            key,
        }
    };
    Ok(racks.into_iter().map(member).collect())
}

/// Of each open stream, how many offers its rack has made since it was started; of a rack that does not tell, nothing.
pub fn offers(tx: &mut Tx<'_>) -> Result<HashMap<Uuid, u64>, OperationError> {
    authorise(tx.actor, "convergence", Verb::Overview)?;
    let told = sessions::counts(tx.conn)?.into_iter();
    let offers = told.filter_map(|(own, counts)| Some((own, session::decoded(&counts)?.offers)));
    Ok(offers.collect())
}
