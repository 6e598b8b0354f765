use common::{Refusal, Timestamp};
use std::{fmt, str::FromStr};

/// A length of time as people write it: 90s, 15m, 24h, 30d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u32);

/// Largest first, so that a span is shown in the largest unit that fits.
const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];
const LONGEST: u32 = 3650 * 86_400;

impl Span {
    pub const fn from_hours(hours: u32) -> Self {
        Self(hours * 3600)
    }

    pub const fn seconds(self) -> u32 {
        self.0
    }

    pub const fn after(self, start: Timestamp) -> Timestamp {
        start.shifted(self.0 as i64 * 1_000_000)
    }
}

impl FromStr for Span {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong =
            || Refusal::new("must be a number and one of s, m, h, d, such as 24h; at most 3650d");
        let unit = text.chars().last().ok_or_else(wrong)?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        match number.checked_mul(*seconds) {
            Some(seconds @ 1..=LONGEST) => Ok(Self(seconds)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, seconds)| self.0.is_multiple_of(*seconds));
        let (name, seconds) = whole.unwrap_or(&UNITS[UNITS.len() - 1]);
        write!(f, "{}{name}", self.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown_as_people_write_them() {
        let rows = [
            ("90s", Some((90, "90s"))),
            ("120s", Some((120, "2m"))),
            ("24h", Some((86_400, "1d"))),
            ("36h", Some((129_600, "36h"))),
            ("3650d", Some((315_360_000, "3650d"))),
            ("3651d", None),
            ("99999999999d", None),
            ("0s", None),
            ("+5m", None),
            ("5", None),
            ("5w", None),
            ("5é", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let read = text.parse::<Span>().ok().map(|span| (span.seconds(), span.to_string()));
            let expected = expected.map(|(seconds, shown)| (seconds, shown.to_owned()));
            assert_eq!(read, expected, "{text}");
        }
    }
}
