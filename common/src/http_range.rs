//! Parts of a file, as HTTP's `Range` asks for them (RFC 9110 section 14). One range is honoured; of several the whole is sent, which a server is free to do
//! (section 14.2).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// The first byte and the last.
    Bytes(u64, u64),
    Unsatisfiable,
}

const UNIT: &str = "bytes";

impl Part {
    /// What the header asks of a file of this size; what cannot be read is passed over.
    pub fn parse(header: &str, size: u64) -> Self {
        // The names of units have no case (section 14.1).
        let set = header.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case(UNIT));
        let Some((first, last)) = set.and_then(|(_, set)| set.split_once('-')) else {
            return Self::Whole;
        };
        match (number(first.trim()), number(last.trim())) {
            (Number::None, Number::Some(0)) => Self::Unsatisfiable,
            (Number::None, Number::Some(length)) if size > 0 => {
                Self::Bytes(size.saturating_sub(length), size - 1)
            }
            (Number::None, Number::Some(_)) => Self::Unsatisfiable,
            (Number::Some(first), Number::None) if first < size => Self::Bytes(first, size - 1),
            (Number::Some(first), Number::Some(last)) if first > last => Self::Whole,
            (Number::Some(first), Number::Some(last)) if first < size => {
                Self::Bytes(first, last.min(size - 1))
            }
            (Number::Some(_), Number::None | Number::Some(_)) => Self::Unsatisfiable,
            (Number::None | Number::Wrong, _) | (_, Number::Wrong) => Self::Whole,
        }
    }

    pub fn length(self, size: u64) -> u64 {
        match self {
            Self::Whole => size,
            Self::Bytes(first, last) => last - first + 1,
            Self::Unsatisfiable => 0,
        }
    }
}

enum Number {
    None,
    Some(u64),
    Wrong,
}

/// Beyond what a number holds is beyond any file.
fn number(text: &str) -> Number {
    match text {
        "" => Number::None,
        digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            Number::Some(digits.parse().unwrap_or(u64::MAX))
        }
        _ => Number::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_thousand_bytes() {
        use Part::{Bytes, Unsatisfiable, Whole};
        for (header, expected) in [
            ("bytes=0-0", Bytes(0, 0)),
            ("bytes=0-999", Bytes(0, 999)),
            ("bytes=500-", Bytes(500, 999)),
            ("bytes=500-5000", Bytes(500, 999)),
            ("bytes=-1", Bytes(999, 999)),
            ("bytes=-5000", Bytes(0, 999)),
            ("bytes = 1-2 ", Bytes(1, 2)),
            ("Bytes=1-2", Bytes(1, 2)),
            ("bytes=0-99999999999999999999999", Bytes(0, 999)),
            ("bytes=999-99999999999999999999999", Bytes(999, 999)),
            ("bytes=1000-", Unsatisfiable),
            ("bytes=1000-1001", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=2-1", Whole),
            ("bytes=0-1,5-6", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes=1", Whole),
            ("lines=1-2", Whole),
            ("", Whole),
        ] {
            assert_eq!(Part::parse(header, 1000), expected, "{header}");
        }
        for header in ["bytes=0-", "bytes=-5", "bytes=0-0"] {
            assert_eq!(Part::parse(header, 0), Unsatisfiable, "{header} of nothing");
        }
    }
}
