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

/// RFC 3339 in UTC, in whole seconds: `2026-11-23T03:16:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 86_400;
        let (days, second) = (self.seconds().div_euclid(DAY), self.seconds().rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The date in the Gregorian calendar of a day since 1970. Years are counted from March, so that a leap day is a year's last; 400 of them are 146097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let since_year_0 = days + 719_468;
    let (cycle, day) = (since_year_0.div_euclid(146_097), since_year_0.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day_of_month)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_shown_as_a_date_and_time() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_799, "2024-02-28T23:59:59Z"),
            (1_795_404_960, "2026-11-23T03:36:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::from_seconds(seconds).to_string(), shown);
        }
    }
}
