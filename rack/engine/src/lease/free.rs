//! Which of many are free: a bit each, and over the bits a 64-ary tree that says where one is set.

#[derive(Clone, Debug, Default)]
pub(crate) struct FreeBits {
    /// The bits themselves first; a bit of each further level says that a word of the one below is not zero.
    levels: Vec<Vec<u64>>,
    count: u32,
}

impl FreeBits {
    pub(crate) fn all(count: u32) -> Self {
        let mut levels = Vec::new();
        let mut bits = count as usize;
        while bits > 0 {
            let mut words = vec![u64::MAX; bits.div_ceil(64)];
            if !bits.is_multiple_of(64)
                && let Some(last) = words.last_mut()
            {
                *last = (1 << (bits % 64)) - 1;
            }
            bits = if words.len() > 1 { words.len() } else { 0 };
            levels.push(words);
        }
        Self { levels, count }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn has(&self, bit: u32) -> bool {
        self.levels[0][word(bit)] >> (bit % 64) & 1 == 1
    }

    pub(crate) fn take(&mut self, mut bit: u32) {
        if !self.has(bit) {
            return;
        }
        self.count -= 1;
        for level in &mut self.levels {
            let word = &mut level[word(bit)];
            *word &= !(1 << (bit % 64));
            if *word != 0 {
                break;
            }
            bit /= 64;
        }
    }

    pub(crate) fn give_back(&mut self, mut bit: u32) {
        if self.has(bit) {
            return;
        }
        self.count += 1;
        for level in &mut self.levels {
            let word = &mut level[word(bit)];
            let before = *word;
            *word |= 1 << (bit % 64);
            if before != 0 {
                break;
            }
            bit /= 64;
        }
    }

    /// The first free one.
    pub(crate) fn first(&self) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        Some(
            self.levels
                .iter()
                .rev()
                .fold(0, |at, level| at * 64 + level[at as usize].trailing_zeros()),
        )
    }
}

fn word(bit: u32) -> usize {
    (bit / 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn bits_are_a_set(size in 1_u32..9000, steps in prop::collection::vec((any::<bool>(), any::<u32>()), 0..200)) {
            let (mut bits, mut model) = (FreeBits::all(size), (0..size).collect::<BTreeSet<_>>());
            for (take, bit) in steps {
                let bit = bit % size;
                if take {
                    bits.take(bit);
                    model.remove(&bit);
                    if let Some(first) = bits.first() {
                        bits.take(first);
                        prop_assert!(model.remove(&first));
                    }
                } else {
                    bits.give_back(bit);
                    model.insert(bit);
                }
                prop_assert_eq!(bits.first(), model.first().copied());
                prop_assert_eq!(bits.count() as usize, model.len());
            }
        }
    }

    #[test]
    fn of_none_none_is_free() {
        assert_eq!((FreeBits::all(0).first(), FreeBits::all(0).count()), (None, 0));
    }
}
