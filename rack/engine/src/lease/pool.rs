//! The dynamic addresses of one subnet.

use std::net::{IpAddr, Ipv4Addr};

use common::RangeSet;

use super::{
    free::FreeBits,
    slab::{List, Slot},
};

/// Free are those without a lease, and those whose lease has ended, longest ended first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    ranges: Vec<Span>,
    /// The lease of each address, from 1 on; 0 is none, which lets untouched pages cost nothing.
    slots: Vec<u32>,
    pub(crate) fresh: FreeBits,
    pub(crate) ended: List,
    pub(crate) ended_count: u32,
}

/// Addresses in a row; `start` is the number of the first among all of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u32,
    last: u32,
    start: u32,
}

impl Pool {
    pub(crate) fn new(dynamic: &RangeSet) -> Self {
        let (mut ranges, mut start) = (Vec::new(), 0);
        for range in dynamic.ranges() {
            if let (IpAddr::V4(first), IpAddr::V4(last)) = (range.first(), range.last()) {
                let span = Span { first: first.to_bits(), last: last.to_bits(), start };
                start += span.last - span.first + 1;
                ranges.push(span);
            }
        }
        Self {
            ranges,
            slots: vec![0; start as usize],
            fresh: FreeBits::all(start),
            ended: List::default(),
            ended_count: 0,
        }
    }

    pub(crate) fn has_ranges_of(&self, other: &Self) -> bool {
        self.ranges == other.ranges
    }

    pub(crate) fn size(&self) -> u32 {
        self.ranges.last().map_or(0, |span| span.start + (span.last - span.first) + 1)
    }

    pub(crate) fn free(&self) -> u32 {
        self.fresh.count() + self.ended_count
    }

    pub(crate) fn slot(&self, number: u32) -> Option<Slot> {
        Slot::from_count(self.slots[number as usize])
    }

    pub(crate) fn occupy(&mut self, number: u32, slot: Slot) {
        self.slots[number as usize] = slot.count();
        self.fresh.take(number);
    }

    pub(crate) fn vacate(&mut self, number: u32) {
        self.slots[number as usize] = 0;
        self.fresh.give_back(number);
    }

    /// The number of an address among the pool's.
    pub(crate) fn number(&self, address: Ipv4Addr) -> Option<u32> {
        let address = address.to_bits();
        let at = self.ranges.partition_point(|span| span.last < address);
        let span = self.ranges.get(at).filter(|span| span.first <= address)?;
        Some(span.start + (address - span.first))
    }

    pub(crate) fn address(&self, number: u32) -> Ipv4Addr {
        let at = self.ranges.partition_point(|span| span.start <= number) - 1;
        Ipv4Addr::from_bits(self.ranges[at].first + (number - self.ranges[at].start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::IpRange;

    #[test]
    fn addresses_are_numbered_across_ranges() {
        let range =
            |a: &str, b: &str| IpRange::new(a.parse().unwrap(), b.parse().unwrap()).unwrap();
        let pool = Pool::new(
            &[range("10.0.0.10", "10.0.0.12"), range("10.0.0.20", "10.0.0.20")]
                .into_iter()
                .collect(),
        );
        let rows = [
            ("10.0.0.9", None),
            ("10.0.0.10", Some(0)),
            ("10.0.0.12", Some(2)),
            ("10.0.0.13", None),
            ("10.0.0.20", Some(3)),
            ("10.0.0.21", None),
        ];
        for (address, number) in rows {
            let address = address.parse().unwrap();
            assert_eq!(pool.number(address), number);
            assert!(number.is_none_or(|number| pool.address(number) == address));
        }
        assert_eq!((pool.size(), pool.free(), Pool::default().size()), (4, 4, 0));
    }
}
