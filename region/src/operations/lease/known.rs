//! The leases that a recording touches. A lease is what its VLAN's rack says of one address, whatever becomes of the subnet that it is called after.

use common::VlanId;
use plan::Lease;
use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
};
use uuid::Uuid;

use crate::db::{
    Conn, DbError,
    leases::{self, nowhere},
    stored::Saved,
};

#[derive(Default)]
pub(super) struct Known {
    rows: HashMap<Uuid, Row>,
    places: HashMap<(VlanId, IpAddr), Uuid>,
    keys: HashMap<String, Uuid>,
}

struct Row {
    saved: Saved<Lease>,
    /// In the database; None: it is new.
    key: Option<String>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    AsLoaded,
    /// Called by another name, since its own was needed.
    Displaced,
    Told,
}

impl Known {
    /// All there is of the addresses, on whatever VLAN.
    pub(super) fn new(leases: Vec<Saved<Lease>>) -> Self {
        let mut known = Self::default();
        leases.into_iter().for_each(|found| drop(known.learn(found)));
        known
    }

    pub(super) fn at(&self, vlan: VlanId, address: IpAddr) -> Option<&Saved<Lease>> {
        let id = self.places.get(&(vlan, address))?;
        self.rows.get(id).map(|row| &row.saved)
    }

    /// Whether a fact of this recording is of it.
    pub(super) fn was_told(&self, id: Uuid) -> bool {
        self.rows.get(&id).is_some_and(|row| row.state == State::Told)
    }

    /// One more, as the database has it; as it is here, if it is.
    pub(super) fn learn(&mut self, found: Saved<Lease>) -> Saved<Lease> {
        if let Some(row) = self.rows.get(&found.id.uuid()) {
            return row.saved.clone();
        }
        let key = Some(found.key.clone());
        self.lay(Row { saved: found.clone(), key, state: State::AsLoaded });
        found
    }

    /// Who was called so before, and is now called by the VLAN that its subnet is no longer on.
    pub(super) fn put(&mut self, saved: Saved<Lease>, now: i64) -> Option<Saved<Lease>> {
        let id = saved.id.uuid();
        let holder = self.keys.get(&saved.key).copied().filter(|holder| *holder != id);
        let displaced = holder.and_then(|holder| self.displace(holder, now));
        let key = self.rows.get(&id).and_then(|row| row.key.clone());
        self.lay(Row { saved, key, state: State::Told });
        displaced
    }

    fn displace(&mut self, holder: Uuid, now: i64) -> Option<Saved<Lease>> {
        let row = self.rows.get(&holder)?;
        let (key, mut saved, state) = (row.key.clone(), row.saved.clone(), row.state);
        let vlan = saved.value.vlan?;
        (saved.key, saved.value.subnet) = (nowhere(saved.value.address, vlan), None);
        (saved.revision, saved.updated_at) = (saved.revision + 1, now);
        let state = if state == State::Told { state } else { State::Displaced };
        self.lay(Row { saved: saved.clone(), key, state });
        Some(saved)
    }

    fn lay(&mut self, row: Row) {
        let id = row.saved.id.uuid();
        if let Some(before) = self.rows.get(&id)
            && let Entry::Occupied(own) = self.keys.entry(before.saved.key.clone())
            && *own.get() == id
        {
            own.remove();
        }
        self.keys.insert(row.saved.key.clone(), id);
        if let Some(vlan) = row.saved.value.vlan {
            self.places.insert((vlan.cast(), row.saved.value.address), id);
        }
        self.rows.insert(id, row);
    }

    pub(super) fn save(self, conn: &mut Conn) -> Result<(), DbError> {
        let changed = self.rows.into_values().filter(|row| row.state != State::AsLoaded);
        let mut changed: Vec<Row> = changed.collect();
        // In one order, so that two regions that record at once never wait for each other.
        changed.sort_unstable_by(|a, b| a.saved.key.cmp(&b.saved.key));
        let renamed = |row: &&Row| row.key.as_ref().is_some_and(|key| *key != row.saved.key);
        let renamed: Vec<_> =
            changed.iter().filter(renamed).map(|row| (row.saved.id, &row.saved.key)).collect();
        leases::rename(conn, &renamed)?;
        let changed: Vec<Saved<Lease>> = changed.into_iter().map(|row| row.saved).collect();
        leases::save(conn, &changed)
    }
}
