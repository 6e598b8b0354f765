//! Who is connected now, as far as it matters to cut them off.

use common::RackId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;

use crate::auth::identity::RackIdentity;

/// The connections that racks have open now, so that one rack's can be cut at once.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<HashMap<RackId, Vec<Open>>>>);

struct Open {
    identity: RackIdentity,
    cut: CancellationToken,
}

impl Connections {
    /// Drops every connection that was made with a certificate of this rack, whatever runs on it.
    pub fn cut(&self, rack: RackId) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&rack);
        open.into_iter().flatten().for_each(|open| open.cut.cancel());
    }

    /// Whose certificates connections were made with.
    pub fn identities(&self) -> Vec<RackIdentity> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().flatten().map(|open| open.identity.clone()).collect()
    }

    pub(super) fn open(&self, identity: Option<RackIdentity>) -> CancellationToken {
        let cut = CancellationToken::new();
        if let Some(identity) = identity {
            let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let own = Open { identity, cut: cut.clone() };
            open.entry(own.identity.rack).or_default().push(own);
        }
        cut
    }

    /// A token of a connection that has ended is cancelled and so swept here.
    pub(super) fn closed(&self, rack: Option<RackId>, ended: &CancellationToken) {
        ended.cancel();
        let Some(rack) = rack else { return };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&rack) {
            own.retain(|open| !open.cut.is_cancelled());
            if own.is_empty() {
                open.remove(&rack);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn cutting_a_rack_cuts_all_its_connections_and_no_other() {
        let connections = Connections::default();
        let [one, other] = [1, 2].map(|n| RackId::new(Uuid::from_u128(n)));
        let open = |rack| {
            let not_after = common::Timestamp::from_seconds(1);
            connections.open(Some(RackIdentity { rack, serial: "01".into(), not_after }))
        };
        let (first, second, spared, ended) = (open(one), open(one), open(other), open(other));
        connections.closed(Some(other), &ended);
        assert_eq!(connections.identities().len(), 3);
        connections.cut(one);
        assert!(first.is_cancelled() && second.is_cancelled() && !spared.is_cancelled());
        connections.closed(Some(other), &spared);
        assert!(connections.0.lock().unwrap().is_empty());
    }
}
