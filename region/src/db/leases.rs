//! Leases as racks tell of them, many at a time.

use common::{
    RackId, Timestamp,
    report::{LeaseChanged, LeaseState},
};
use diesel::{prelude::*, sql_query, sql_types};
use plan::{Lease, Subnet, Vlan, dhcp::Octets};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

use super::{
    Backend, Conn, DbError,
    condition::{Condition, Value},
    names::Names,
    placeholders,
    stored::{Query, Saved, Stored},
};
use crate::resources::{Rules, field::Field};

/// What a rack says of a lease; its times are by region's clock already.
#[derive(Clone, Debug)]
pub struct LeaseRow {
    pub rack: RackId,
    pub lease: LeaseChanged,
}

/// One lease after, and what it was before.
#[derive(Clone, Debug)]
pub struct Upserted {
    pub before: Option<Saved<Lease>>,
    pub after: Saved<Lease>,
}

impl Upserted {
    /// Whether more changed than its end: that is all that a renewal does, and it makes no event.
    pub fn is_news(&self) -> bool {
        let Some(before) = &self.before else { return true };
        let (before, after) = (&before.value, &self.after.value);
        *after != Lease { ends_at: after.ends_at, ..before.clone() }
    }
}

/// Rows of one statement: 16 values each, and SQLite takes 32,766.
const ROWS: usize = 512;

/// Saves what came last of each address. The leases that this changed, in order of key; of two rows for one address the later in the list counts.
/// Rows are locked in that order, so that two who save at once do not wait for each other in turn.
pub fn upsert(
    conn: &mut Conn,
    rows: &[LeaseRow],
    now: Timestamp,
) -> Result<Vec<Upserted>, DbError> {
    let places = Places::load(conn, rows)?;
    let mut wanted: BTreeMap<String, Lease> = BTreeMap::new();
    for row in rows {
        let lease = lease(row, &places);
        wanted.insert(places.key(&lease, row), lease);
    }
    let mut before = existing(conn, wanted.keys().cloned().collect())?;
    let mut upserted = Vec::with_capacity(wanted.len());
    for (key, value) in wanted {
        let before = before.remove(&key);
        let after = Saved {
            id: before.as_ref().map_or_else(|| common::Id::new(Uuid::now_v7()), |before| before.id),
            key,
            revision: before.as_ref().map_or(1, |before| before.revision + 1),
            created_at: before.as_ref().map_or(now.micros(), |before| before.created_at),
            updated_at: now.micros(),
            value,
        };
        upserted.push(Upserted { before, after });
    }
    for chunk in upserted.chunks(ROWS) {
        save(conn, chunk)?;
    }
    Ok(upserted)
}

/// Which subnets and VLANs region knows where these leases are.
struct Places {
    subnets: Vec<Saved<Subnet>>,
    vlans: HashMap<Uuid, String>,
    names: Names,
}

impl Places {
    fn load(conn: &mut Conn, rows: &[LeaseRow]) -> Result<Self, DbError> {
        let mut vlans: Vec<Uuid> = rows.iter().map(|row| row.lease.vlan.uuid()).collect();
        vlans.sort_unstable();
        vlans.dedup();
        let bytes = |id: &Uuid| Value::Bytes(id.as_bytes().to_vec());
        let any = |column, ids: &[Uuid]| {
            Query::all(vec![Condition::In { column, values: ids.iter().map(bytes).collect() }])
        };
        let subnets = Subnet::load(conn, any("vlan", &vlans))?;
        let known = Vlan::load(conn, any("id", &vlans))?;
        let mut names = Names::default();
        names.learn(conn, subnets.iter().map(|subnet| (Subnet::TABLE, subnet.id.uuid())))?;
        let vlans = known.into_iter().map(|vlan| (vlan.id.uuid(), vlan.key)).collect();
        Ok(Self { subnets, vlans, names })
    }

    /// A lease of a subnet that region has no more is called by its VLAN, so that no other is taken for it.
    fn key(&self, lease: &Lease, row: &LeaseRow) -> String {
        match lease.subnet {
            Some(_) => lease.key(&self.names),
            None => format!("{}@{}", row.lease.address, row.lease.vlan),
        }
    }
}

fn lease(row: &LeaseRow, places: &Places) -> Lease {
    let told = &row.lease;
    let vlan = told.vlan.cast::<Vlan>();
    let subnet = places
        .subnets
        .iter()
        .find(|subnet| subnet.value.vlan == vlan && subnet.value.cidr.contains(told.address));
    Lease {
        address: told.address,
        state: told.state,
        mac: told.client.mac(),
        client_id: Octets::new(told.client.identifier.clone()),
        host_name: printable(&told.host_name),
        vlan: places.vlans.contains_key(&vlan.uuid()).then_some(vlan),
        subnet: subnet.map(|subnet| subnet.id),
        rack: Some(row.rack.cast()),
        relay_information: Octets::new(told.relay_information.clone()),
        started_at: Some(told.started),
        ends_at: Some(told.ends),
    }
}

/// A stranger's bytes as text that no terminal, log or page takes for more.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// By key, and locked until the transaction ends.
fn existing(conn: &mut Conn, keys: Vec<String>) -> Result<HashMap<String, Saved<Lease>>, DbError> {
    let mut found = HashMap::new();
    for chunk in keys.chunks(ROWS) {
        let marks: Vec<String> = (1..=chunk.len()).map(|number| format!("${number}")).collect();
        if matches!(conn, Conn::Postgres(_)) {
            let text = format!(
                "SELECT 1 FROM leases WHERE key IN ({}) ORDER BY key FOR NO KEY UPDATE",
                marks.join(",")
            );
            let mut lock = sql_query(text).into_boxed::<Backend>();
            for key in chunk {
                lock = lock.bind::<sql_types::Text, _>(key);
            }
            lock.execute(conn)?;
        }
        let values = chunk.iter().cloned().map(Value::Text).collect();
        let rows = Lease::load(conn, Query::all(vec![Condition::In { column: "key", values }]))?;
        found.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
    }
    Ok(found)
}

fn save(conn: &mut Conn, chunk: &[Upserted]) -> Result<(), DbError> {
    let rows: Vec<String> = (0..chunk.len()).map(|row| placeholders(row, 16)).collect();
    let text = format!(
        "INSERT INTO leases (id, key, revision, created_at, updated_at, address, state, mac, client_id, host_name, vlan, subnet, rack, \
         relay_information, started_at, ends_at) VALUES {} \
         ON CONFLICT (key) DO UPDATE SET revision = leases.revision + 1, updated_at = excluded.updated_at, address = excluded.address, \
         state = excluded.state, mac = excluded.mac, client_id = excluded.client_id, host_name = excluded.host_name, vlan = excluded.vlan, \
         subnet = excluded.subnet, rack = excluded.rack, relay_information = excluded.relay_information, \
         started_at = excluded.started_at, ends_at = excluded.ends_at",
        rows.join(",")
    );
    let mut statement = sql_query(text).into_boxed::<Backend>();
    for Saved { id, key, revision, created_at, updated_at, value } in
        chunk.iter().map(|one| &one.after)
    {
        statement = statement
            .bind::<sql_types::Binary, _>(id.uuid().as_bytes().to_vec())
            .bind::<sql_types::Text, _>(key)
            .bind::<sql_types::BigInt, _>(*revision)
            .bind::<sql_types::BigInt, _>(*created_at)
            .bind::<sql_types::BigInt, _>(*updated_at)
            .bind::<sql_types::Binary, _>(value.address.store())
            .bind::<sql_types::Text, _>(value.state.store())
            .bind::<sql_types::Text, _>(value.mac.store())
            .bind::<sql_types::Text, _>(value.client_id.store())
            .bind::<sql_types::Text, _>(&value.host_name)
            .bind::<sql_types::Binary, _>(value.vlan.store())
            .bind::<sql_types::Binary, _>(value.subnet.store())
            .bind::<sql_types::Binary, _>(value.rack.store())
            .bind::<sql_types::Text, _>(value.relay_information.store())
            .bind::<sql_types::BigInt, _>(value.started_at.store())
            .bind::<sql_types::BigInt, _>(value.ends_at.store());
    }
    statement.execute(conn)?;
    Ok(())
}

/// Forgets leases that are over since before `since`, at most `limit` of them; how many.
pub fn forget_ended(conn: &mut Conn, since: Timestamp, limit: i64) -> Result<usize, DbError> {
    let gone = sql_query(
        "DELETE FROM leases WHERE id IN (SELECT id FROM leases WHERE ends_at < $1 AND state <> $2 ORDER BY ends_at LIMIT $3)",
    )
    .bind::<sql_types::BigInt, _>(since.micros())
    .bind::<sql_types::Text, _>(LeaseState::Bound.store())
    .bind::<sql_types::BigInt, _>(limit)
    .execute(conn)?;
    Ok(gone)
}
