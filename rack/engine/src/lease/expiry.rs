//! When leases end: a wheel of seconds, linked through the leases.

use super::slab::{List, Slab, Slot};

/// Seconds of one turn; a longer lease is passed over once a turn.
const SECONDS: u32 = 1024;

pub(crate) struct Wheel {
    buckets: Vec<List>,
    /// All before this second has been looked at.
    second: u32,
    /// Where to go on in the bucket of that second.
    cursor: Option<Slot>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { buckets: vec![List::default(); SECONDS as usize], second: 0, cursor: None }
    }
}

impl Wheel {
    /// Puts in a lease, by its end.
    pub(crate) fn insert(&mut self, slab: &mut Slab, slot: Slot) {
        let bucket = bucket(slab[slot].ends);
        self.buckets[bucket].push(slab, slot);
        if self.cursor.is_none() && bucket == self::bucket(self.second) {
            self.cursor = Some(slot);
        }
    }

    /// Takes out a lease whose end is still the one that it was put in by.
    pub(crate) fn remove(&mut self, slab: &mut Slab, slot: Slot) {
        if self.cursor == Some(slot) {
            self.cursor = List::after(slab, slot);
        }
        self.buckets[bucket(slab[slot].ends)].remove(slab, slot);
    }

    /// A lease that has ended; the caller takes it out.
    pub(crate) fn next_due(&mut self, slab: &Slab, now: u32) -> Option<Slot> {
        if now.saturating_sub(self.second) >= SECONDS {
            // one turn sees every bucket
            self.enter(now - SECONDS + 1);
        }
        while self.second <= now {
            while let Some(slot) = self.cursor {
                self.cursor = List::after(slab, slot);
                if slab[slot].ends <= now {
                    return Some(slot);
                }
            }
            self.enter(self.second + 1);
        }
        None
    }

    fn enter(&mut self, second: u32) {
        self.second = second;
        self.cursor = self.buckets[bucket(second)].first();
    }
}

fn bucket(second: u32) -> usize {
    (second % SECONDS) as usize
}
