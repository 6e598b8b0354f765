use std::{cmp::Ordering, fmt, hash, marker::PhantomData, str::FromStr};
use uuid::Uuid;

use crate::Refusal;

/// What an id names where the thing itself is not known: racks know which VLAN, not what a VLAN is to region.
pub enum RackTag {}
pub enum VlanTag {}
pub enum SubnetTag {}
pub enum MachineTag {}

pub type RackId = Id<RackTag>;
pub type VlanId = Id<VlanTag>;
pub type SubnetId = Id<SubnetTag>;
pub type MachineId = Id<MachineTag>;

/// Which `T`; ids of different things do not mix.
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

impl<T> Id<T> {
    pub fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The same thing under the name that another room has for it.
    pub fn cast<U>(self) -> Id<U> {
        Id::new(self.0)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> hash::Hash for Id<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> FromStr for Id<T> {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        text.parse().map(Self::new).map_err(|_| Refusal::new("must be an id (a UUID)"))
    }
}
