//! Leases as racks tell of them, many at a time.

use common::{
    Id, RackId, Timestamp,
    report::{LeaseChanged, LeaseState},
};
use diesel::{prelude::*, sql_query, sql_types};
use plan::{Lease, Rack, Subnet, Vlan, dhcp::Octets};
use std::net::IpAddr;
use uuid::Uuid;

use super::{
    Backend, Conn, DbError,
    condition::{Condition, Value},
    names::Names,
    numbered, placeholders,
    stored::{Query, Saved, Stored},
};
use crate::resources::{Resource, Rules, field::Field};

/// Rows of one statement: 16 values each, and SQLite takes 32,766.
const ROWS: usize = 512;

/// Which subnets region knows where leases are.
pub struct Places {
    subnets: Vec<Saved<Subnet>>,
    names: Names,
}

/// What people call a lease of a subnet that region does not have, or no more: by its VLAN, so that no other is taken for it.
pub(crate) fn nowhere(address: IpAddr, vlan: Id<Vlan>) -> String {
    format!("{address}@{vlan}")
}

impl Places {
    /// On these VLANs, told by these racks.
    pub fn load(conn: &mut Conn, vlans: &[Uuid], racks: &[Uuid]) -> Result<Self, DbError> {
        let values = vlans.iter().map(|id| Value::Bytes(id.as_bytes().to_vec())).collect();
        let on_them = Condition::In { column: "vlan", values };
        let subnets = Subnet::load(conn, Query::all(vec![on_them]))?;
        let mut names = Names::default();
        let of_subnets = subnets.iter().map(|subnet| (Subnet::TABLE, subnet.id.uuid()));
        let of_vlans = vlans.iter().map(|vlan| (Vlan::TABLE, *vlan));
        let of_racks = racks.iter().map(|rack| (Rack::TABLE, *rack));
        names.learn(conn, of_subnets.chain(of_vlans).chain(of_racks))?;
        Ok(Self { subnets, names })
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// More keys, of leases that others told of.
    pub fn learn(&mut self, conn: &mut Conn, lease: &Lease) -> Result<(), DbError> {
        self.names.learn(conn, lease.references())
    }

    /// What a rack says of a lease, and what people call that lease.
    pub fn lease(&self, rack: RackId, told: &LeaseChanged) -> (String, Lease) {
        let vlan = told.vlan.cast::<Vlan>();
        let subnet = self
            .subnets
            .iter()
            .find(|subnet| subnet.value.vlan == vlan && subnet.value.cidr.contains(told.address));
        let lease = Lease {
            address: told.address,
            state: told.state,
            mac: told.client.mac(),
            client_id: Octets::new(told.client.identifier.clone()),
            host_name: printable(&told.host_name),
            vlan: Some(vlan),
            subnet: subnet.map(|subnet| subnet.id),
            rack: Some(rack.cast()),
            relay_information: Octets::new(told.relay_information.clone()),
            started_at: Some(told.started),
            ends_at: Some(told.ends),
        };
        (lease.key(&self.names), lease)
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

/// All leases of these addresses, locked in the order of their keys until the transaction ends, so that two who save at once do not wait for each other
/// in turn.
pub fn lock(conn: &mut Conn, addresses: &[IpAddr]) -> Result<Vec<Saved<Lease>>, DbError> {
    let mut found = Vec::new();
    for chunk in addresses.chunks(ROWS) {
        let marks: Vec<String> = (1..=chunk.len()).map(|number| format!("${number}")).collect();
        if matches!(conn, Conn::Postgres(_)) {
            let text = format!(
                "SELECT 1 FROM leases WHERE address IN ({}) ORDER BY key FOR NO KEY UPDATE",
                marks.join(",")
            );
            let mut lock = sql_query(text).into_boxed::<Backend>();
            for address in chunk {
                lock = lock.bind::<sql_types::Binary, _>(address.store());
            }
            lock.execute(conn)?;
        }
        let values = chunk.iter().map(|address| Value::Bytes(address.store())).collect();
        let of_them = Condition::In { column: "address", values };
        found.extend(Lease::load(conn, Query::all(vec![of_them]))?);
    }
    Ok(found)
}

/// They may take each other's keys: each gets one that nobody has before it gets its own.
pub fn rename(conn: &mut Conn, leases: &[(Id<Lease>, &String)]) -> Result<(), DbError> {
    let mut call = |id: Id<Lease>, key: &str| {
        sql_query("UPDATE leases SET key = $1 WHERE id = $2")
            .bind::<sql_types::Text, _>(key)
            .bind::<sql_types::Binary, _>(id.uuid().as_bytes().to_vec())
            .execute(conn)
    };
    for (id, _) in leases {
        call(*id, &id.to_string())?;
    }
    for (id, key) in leases {
        call(*id, key)?;
    }
    Ok(())
}

/// New rows and changed ones. A key or a place that another region has taken meanwhile is a clash, and the second attempt finds that row.
pub fn save(conn: &mut Conn, leases: &[Saved<Lease>]) -> Result<(), DbError> {
    leases.chunks(ROWS).try_for_each(|chunk| save_chunk(conn, chunk))
}

fn save_chunk(conn: &mut Conn, chunk: &[Saved<Lease>]) -> Result<(), DbError> {
    let rows: Vec<String> = (0..chunk.len()).map(|row| placeholders(row, 16)).collect();
    let text = format!(
        "INSERT INTO leases (id, key, revision, created_at, updated_at, address, state, mac, client_id, host_name, vlan, subnet, rack, \
         relay_information, started_at, ends_at) VALUES {} \
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, updated_at = excluded.updated_at, address = excluded.address, \
         state = excluded.state, mac = excluded.mac, client_id = excluded.client_id, host_name = excluded.host_name, vlan = excluded.vlan, \
         subnet = excluded.subnet, rack = excluded.rack, relay_information = excluded.relay_information, \
         started_at = excluded.started_at, ends_at = excluded.ends_at",
        rows.join(",")
    );
    let mut statement = sql_query(numbered(conn, text)).into_boxed::<Backend>();
    for Saved { id, key, revision, created_at, updated_at, value } in chunk {
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

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = sql_types::Binary)]
    id: Vec<u8>,
}

/// Bound leases of a rack that its snapshot has not named.
pub fn bound_and_unnamed(conn: &mut Conn, rack: RackId) -> Result<Vec<Saved<Lease>>, DbError> {
    let query = "SELECT id FROM leases WHERE rack = $1 AND state = $2 AND NOT EXISTS \
                 (SELECT 1 FROM snapshot_leases WHERE snapshot_leases.rack = $1 AND lease = leases.id)";
    let rows: Vec<Named> = sql_query(query)
        .bind::<sql_types::Binary, _>(rack.uuid().as_bytes().to_vec())
        .bind::<sql_types::Text, _>(LeaseState::Bound.store())
        .load(conn)?;
    let mut found = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(ROWS) {
        let values = chunk.iter().map(|row| Value::Bytes(row.id.clone())).collect();
        let these = Condition::In { column: "id", values };
        found.extend(Lease::load(conn, Query::all(vec![these]))?);
    }
    Ok(found)
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
