//! How much of the network is used: who has which address of a subnet, and which subnets run out.

use common::{Cidr, Id, Timestamp};
use plan::{Range, Subnet};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};
use uuid::Uuid;

use super::{OperationError, Tx};
use crate::{
    auth::{Verb, authorise},
    db::{
        condition::{Condition, Value},
        stored::{Query, Stored},
        usage,
    },
    resources::field::address_bytes,
};

/// One address that a client has, or that was found in use.
#[derive(Clone, Debug)]
pub struct Held {
    pub address: IpAddr,
    /// bound or declined
    pub state: String,
    pub mac: String,
    pub host_name: String,
    pub key: String,
}

pub fn held(tx: &mut Tx<'_>, subnet: Id<Subnet>) -> Result<Vec<Held>, OperationError> {
    authorise(tx.actor, "lease", Verb::List)?;
    let rows = usage::held(tx.conn, subnet.uuid(), tx.now)?;
    let held = |row: usage::HeldRow| {
        Some(Held {
            address: address(&row.address)?,
            state: row.state,
            mac: row.mac,
            host_name: row.host_name,
            key: row.key,
        })
    };
    Ok(rows.into_iter().filter_map(held).collect())
}

/// Leases in each block of an IPv4 prefix that has any, by the block's first address; blocks are prefixes of this length.
pub fn held_by_block(
    tx: &mut Tx<'_>,
    subnet: Id<Subnet>,
    (cidr, length): (Cidr, u8),
) -> Result<HashMap<u32, u64>, OperationError> {
    authorise(tx.actor, "lease", Verb::List)?;
    let (IpAddr::V4(first), IpAddr::V4(last)) = (cidr.first(), cidr.last()) else {
        return Ok(HashMap::new());
    };
    let rest = u32::MAX.checked_shr(length.into()).unwrap_or_default();
    let starts = (first.to_bits()..=last.to_bits()).step_by(rest as usize + 1);
    let bytes = |bits: u32| address_bytes(Ipv4Addr::from_bits(bits).into());
    let blocks: Vec<_> = starts.map(|start| (bytes(start), bytes(start | rest))).collect();
    let rows = usage::held_in_blocks(tx.conn, subnet.uuid(), &blocks, tx.now)?;
    let block = |(bytes, count): (Vec<u8>, i64)| match address(&bytes)? {
        IpAddr::V4(first) if count > 0 => Some((first.to_bits(), count.cast_unsigned())),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    };
    Ok(rows.into_iter().filter_map(block).collect())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(Ipv6Addr::from(bytes).to_canonical())
}

/// A subnet with dynamic addresses, and how many of them are leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    pub subnet: String,
    pub cidr: Cidr,
    pub held: u64,
    pub dynamic: u64,
}

impl Fill {
    /// Leases of reservations outside the ranges may make it more than all.
    pub fn share(&self) -> u64 {
        (self.held * 100 / self.dynamic.max(1)).min(100)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub leases: u64,
    /// The fullest first.
    pub fills: Vec<Fill>,
    /// Of every subnet with dynamic addresses: how many are held, and how many there are.
    all: HashMap<Uuid, (u64, u64)>,
}

impl Usage {
    /// None: it has no dynamic addresses.
    pub fn of(&self, subnet: Uuid) -> Option<(u64, u64)> {
        self.all.get(&subnet).copied()
    }
}

/// Counting walks every lease, so that all who look within a few seconds get one count.
#[derive(Clone, Default)]
pub struct Counted(Arc<Mutex<Latest>>);

/// When it was counted, and what was found.
type Latest = Option<(Timestamp, Arc<Usage>)>;

const GOOD_FOR: i64 = 3 * 1_000_000;

impl Counted {
    pub fn usage(&self, tx: &mut Tx<'_>) -> Result<Arc<Usage>, OperationError> {
        authorise(tx.actor, "lease", Verb::List)?;
        let fresh = |at: Timestamp| tx.now.micros() - at.micros() < GOOD_FOR;
        if let Some((at, usage)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && fresh(*at)
        {
            return Ok(usage.clone());
        }
        let usage = Arc::new(count(tx)?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((tx.now, usage.clone()));
        Ok(usage)
    }
}

/// Of every subnet with dynamic addresses.
pub fn fills(tx: &mut Tx<'_>) -> Result<Vec<Fill>, OperationError> {
    authorise(tx.actor, "lease", Verb::List)?;
    let held = usage::held_by_subnet(tx.conn, tx.now)?;
    let counts = sizes(tx, &held)?;
    named(tx, counts)
}

fn count(tx: &mut Tx<'_>) -> Result<Usage, OperationError> {
    let held = usage::held_by_subnet(tx.conn, tx.now)?;
    let mut counts = sizes(tx, &held)?;
    let all = counts.iter().map(|(subnet, held, size)| (*subnet, (*held, *size))).collect();
    counts.sort_by_key(|(subnet, held, size)| {
        (std::cmp::Reverse(u128::from(*held) * 1000 / u128::from((*size).max(1))), *subnet)
    });
    counts.truncate(FULLEST);
    Ok(Usage { leases: held.values().sum(), fills: named(tx, counts)?, all })
}

/// Each subnet with dynamic addresses: how many are held, and how many there are.
type Counts = Vec<(Uuid, u64, u64)>;

fn sizes(tx: &mut Tx<'_>, held: &HashMap<Uuid, u64>) -> Result<Counts, OperationError> {
    let dynamic = Range::load(tx.conn, Query::all(vec![Condition::equal("dynamic", true)]))?;
    let mut sizes: HashMap<Uuid, u64> = HashMap::new();
    for range in &dynamic {
        let size = range.value.addresses().map_or(0, |range| range.count());
        let of = sizes.entry(range.value.subnet.uuid()).or_default();
        *of = of.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
    }
    let held = |subnet: &Uuid| held.get(subnet).copied().unwrap_or_default();
    Ok(sizes.into_iter().map(|(subnet, size)| (subnet, held(&subnet), size)).collect())
}

fn named(tx: &mut Tx<'_>, counts: Counts) -> Result<Vec<Fill>, OperationError> {
    let values = counts.iter().map(|(subnet, ..)| Value::Bytes(subnet.as_bytes().to_vec()));
    let of_them = Condition::In { column: "id", values: values.collect() };
    let subnets = Subnet::load(tx.conn, Query::all(vec![of_them]))?;
    let subnets: HashMap<Uuid, _> = subnets.iter().map(|found| (found.id.uuid(), found)).collect();
    let fill = |(subnet, held, dynamic): (Uuid, u64, u64)| {
        let found = subnets.get(&subnet).filter(|found| found.value.is_given())?;
        Some(Fill { subnet: found.key.clone(), cidr: found.value.cidr, held, dynamic })
    };
    Ok(counts.into_iter().filter_map(fill).collect())
}

/// As many as somebody looks through.
const FULLEST: usize = 8;
