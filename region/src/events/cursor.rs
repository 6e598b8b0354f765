use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use common::{Epoch, Refusal};
use std::{fmt, str::FromStr};

/// A place between two events, good for one epoch of the database. `xid` is the writing transaction on PostgreSQL, 0 on SQLite, where commits are in
/// order of `seq`. People and programs see it as an opaque word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cursor {
    pub epoch: Epoch,
    pub xid: i64,
    pub seq: i64,
}

impl Cursor {
    /// Before every event of this epoch.
    pub const fn start(epoch: Epoch) -> Self {
        Self { epoch, xid: 0, seq: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.epoch.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.xid.to_be_bytes());
        bytes[16..].copy_from_slice(&self.seq.to_be_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::new("must be a cursor that an earlier event or write carried");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let (numbers, rest) = bytes.as_chunks::<8>();
        let &[epoch, xid, seq] = numbers else { return Err(wrong()) };
        let cursor = Self {
            epoch: Epoch(u64::from_be_bytes(epoch)),
            xid: i64::from_be_bytes(xid),
            seq: i64::from_be_bytes(seq),
        };
        let sound = rest.is_empty() && cursor.xid >= 0 && cursor.seq >= 0;
        if sound { Ok(cursor) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = Cursor { epoch: Epoch(1_700_000_000), xid: 7, seq: i64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let negative = BASE64_URL_SAFE_NO_PAD.encode([255; 24]);
        for text in
            ["", "7.9", "AAAA", negative.as_str(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_later_epoch_is_later() {
        let at = |epoch, xid, seq| Cursor { epoch: Epoch(epoch), xid, seq };
        let order = [at(1, 0, 9), at(1, 5, 1), at(1, 5, 2), at(1, 6, 0), at(2, 0, 0)];
        assert!(order.is_sorted());
    }
}
