use common::{Refusal, rack_config::boot::BootPath};
use std::{fmt, str::FromStr};

/// A file that machines fetch as they boot: a name for content that region keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct BootFile {
    pub path: BootPath,
    pub size: ByteCount,
    pub sha256: Sha256,
    pub note: String,
}

/// By which content is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256 {
    type Err = Refusal;

    /// One content, one text: only lower-case digits.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refusal = || Refusal::new("must be 64 lower-case hexadecimal digits (SHA-256)");
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(refusal()),
        };
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_| refusal())?;
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As many as a file can have on any of our disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteCount(i64);

impl ByteCount {
    pub const fn bytes(self) -> u64 {
        self.0.cast_unsigned()
    }
}

impl TryFrom<u64> for ByteCount {
    type Error = Refusal;

    fn try_from(bytes: u64) -> Result<Self, Refusal> {
        i64::try_from(bytes).map(Self).map_err(|_| Refusal::new("must be less than 2^63 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_text() {
        let text = "00ff".repeat(16);
        assert_eq!(text.parse::<Sha256>().unwrap().to_string(), text);
        for wrong in ["00FF".repeat(16), "00f".repeat(16), "0g".repeat(32), "é".repeat(32)] {
            assert!(wrong.parse::<Sha256>().is_err(), "{wrong}");
        }
    }
}
