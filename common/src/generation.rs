//! Which configuration is newer, and what a rack does with one that it is offered.

use std::fmt;

/// Made with region's database, seconds since 1970; a restored database gets a new one, so that its older numbers are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// A place in the one sequence of configurations of the whole region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation {
    pub epoch: Epoch,
    pub number: u64,
}

/// SHA-256 of a scope's content as encoded.
pub type Digest = [u8; 32];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Newer: try it.
    Accept,
    /// The very one that is already here: say again what became of it.
    Reacknowledge,
    /// Older than what is here, and late: say nothing.
    Ignore,
    /// The same number with other content, or a lower epoch: somebody is wrong, and it is not this rack.
    Refuse,
}

impl Generation {
    /// What a rack that has `self` with `digest` does with an offer.
    pub fn judge(self, digest: &Digest, offered: Self, offered_digest: &Digest) -> Offer {
        if offered.epoch < self.epoch {
            return Offer::Refuse;
        }
        match offered.cmp(&self) {
            std::cmp::Ordering::Greater => Offer::Accept,
            std::cmp::Ordering::Equal if digest == offered_digest => Offer::Reacknowledge,
            std::cmp::Ordering::Equal => Offer::Refuse,
            std::cmp::Ordering::Less => Offer::Ignore,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch.0, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_takes_only_what_is_newer() {
        let at = |epoch, number| Generation { epoch: Epoch(epoch), number };
        let (own, same, other) = (at(2, 5), [1; 32], [2; 32]);
        for (offered, digest, expected) in [
            (at(2, 6), other, Offer::Accept),
            (at(3, 1), other, Offer::Accept),
            (at(2, 5), same, Offer::Reacknowledge),
            (at(2, 5), other, Offer::Refuse),
            (at(2, 4), same, Offer::Ignore),
            (at(1, 9), same, Offer::Refuse),
        ] {
            assert_eq!(own.judge(&same, offered, &digest), expected, "{offered}");
        }
    }
}
