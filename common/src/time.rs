//! Points in time and lengths of time, always handed in: nothing here reads a clock.

use std::fmt;

use crate::Refusal;

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    #[must_use]
    pub const fn plus(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.seconds() as i64 * 1_000_000))
    }

    #[must_use]
    pub const fn shifted(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }
}

/// How long a lease lasts, in seconds; RFC 2131 gives 0xffffffff the meaning "infinite", which is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lifetime(u32);

impl Lifetime {
    /// 10 minutes: bare metal comes and goes.
    pub const DEFAULT: Self = Self(600);
    const SHORTEST: u32 = 10;
    const LONGEST: u32 = 365 * 86_400;

    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// T1, when the client begins to renew: half of the lease (RFC 2131 section 4.4.5).
    pub const fn renewal(self) -> u32 {
        self.0 / 2
    }

    /// T2, when the client asks any server: seven eighths of the lease (RFC 2131 section 4.4.5).
    pub const fn rebinding(self) -> u32 {
        (self.0 as u64 * 7 / 8) as u32
    }
}

/// 0 is what a client sends that has no opinion: the default.
impl TryFrom<u32> for Lifetime {
    type Error = Refusal;

    fn try_from(seconds: u32) -> Result<Self, Refusal> {
        match seconds {
            0 => Ok(Self::DEFAULT),
            Self::SHORTEST..=Self::LONGEST => Ok(Self(seconds)),
            _ => Err(Refusal::new("must be from 10 seconds to 31536000 (a year)")),
        }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}
