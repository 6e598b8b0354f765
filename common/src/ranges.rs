//! Ranges of addresses and sets of them: the only arithmetic over addresses, IPv4 and IPv6 alike.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{Cidr, Refusal};

/// From one address to another, both included, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, Refusal> {
        if first.is_ipv4() != last.is_ipv4() {
            return Err(Refusal::new(format!("is not of the family of {first}")));
        }
        if last < first {
            return Err(Refusal::new(format!("comes before {first}")));
        }
        Ok(Self { first, last })
    }

    pub fn first(self) -> IpAddr {
        self.first
    }

    pub fn last(self) -> IpAddr {
        self.last
    }

    pub fn contains(self, address: IpAddr) -> bool {
        (self.first..=self.last).contains(&address) && address.is_ipv4() == self.first.is_ipv4()
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.first.is_ipv4() == other.first.is_ipv4()
            && self.first <= other.last
            && other.first <= self.last
    }

    pub fn is_inside(self, cidr: Cidr) -> bool {
        cidr.contains(self.first) && cidr.contains(self.last)
    }

    /// How many addresses; saturates for the whole of IPv6.
    pub fn count(self) -> u128 {
        (number(self.last) - number(self.first)).saturating_add(1)
    }
}

impl From<Cidr> for IpRange {
    fn from(cidr: Cidr) -> Self {
        Self { first: cidr.first(), last: cidr.last() }
    }
}

impl From<IpAddr> for IpRange {
    fn from(address: IpAddr) -> Self {
        Self { first: address, last: address }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Addresses as ranges that neither overlap nor touch, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet(Vec<IpRange>);

impl RangeSet {
    pub fn ranges(&self) -> &[IpRange] {
        &self.0
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let at = self.0.partition_point(|range| range.last < address);
        self.0.get(at).is_some_and(|range| range.contains(address))
    }

    pub fn count(&self) -> u128 {
        self.0.iter().fold(0, |sum, range| sum.saturating_add(range.count()))
    }

    pub fn insert(&mut self, range: IpRange) {
        let mut whole = range;
        self.0.retain(|other| {
            let joins = other.overlaps(whole)
                || after(other.last) == Some(whole.first)
                || after(whole.last) == Some(other.first);
            if joins {
                whole = IpRange {
                    first: whole.first.min(other.first),
                    last: whole.last.max(other.last),
                };
            }
            !joins
        });
        let at = self.0.partition_point(|other| other.first < whole.first);
        self.0.insert(at, whole);
    }

    pub fn remove(&mut self, range: IpRange) {
        let from = self.0.partition_point(|own| own.last < range.first);
        let to = self.0.partition_point(|own| own.first <= range.last);
        let mut left = Vec::with_capacity(2);
        for own in &self.0[from..to] {
            if own.first < range.first
                && let Some(last) = before(range.first)
            {
                left.push(IpRange { first: own.first, last });
            }
            if own.last > range.last
                && let Some(first) = after(range.last)
            {
                left.push(IpRange { first, last: own.last });
            }
        }
        self.0.splice(from..to, left);
    }
}

impl FromIterator<IpRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = IpRange>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_add(1).map(|n| Ipv4Addr::from_bits(n).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_add(1).map(|n| Ipv6Addr::from_bits(n).into()),
    }
}

fn before(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => v4.to_bits().checked_sub(1).map(|n| Ipv4Addr::from_bits(n).into()),
        IpAddr::V6(v6) => v6.to_bits().checked_sub(1).map(|n| Ipv6Addr::from_bits(n).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn v4(first: u8, last: u8) -> IpRange {
        let at = |n| IpAddr::from([10, 0, 0, n]);
        IpRange::new(at(first.min(last)), at(first.max(last))).unwrap()
    }

    proptest! {
        /// Against a plain set of addresses: the same members, and ranges that neither overlap nor touch.
        #[test]
        fn a_range_set_is_a_set(steps in prop::collection::vec((any::<bool>(), any::<u8>(), any::<u8>()), 0..40)) {
            let (mut set, mut model) = (RangeSet::default(), BTreeSet::new());
            for (insert, a, b) in steps {
                let range = v4(a, b);
                for n in a.min(b)..=a.max(b) {
                    if insert { model.insert(n); } else { model.remove(&n); }
                }
                if insert { set.insert(range) } else { set.remove(range) }
            }
            for n in 0..=255 {
                prop_assert_eq!(set.contains([10, 0, 0, n].into()), model.contains(&n));
            }
            prop_assert_eq!(set.count(), model.len() as u128);
            for pair in set.ranges().windows(2) {
                prop_assert!(after(pair[0].last).is_some_and(|next| next < pair[1].first));
            }
        }
    }

    #[test]
    fn families_do_not_mix() {
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        assert!(IpRange::new([10, 0, 0, 1].into(), six).is_err());
        assert!(!v4(0, 255).contains(six));
    }
}
