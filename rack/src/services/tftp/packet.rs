//! TFTP on the wire (RFC 1350, RFC 2347): what clients send, parsed; what the server answers, made.

use std::str;

/// What a client may say to a server that only serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Read(Request<'a>),
    Write,
    Acknowledgement(u16),
    Error { code: u16, message: &'a [u8] },
}

/// A read request: bytes of a stranger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) path: &'a [u8],
    pub(super) mode: Mode,
    pub(super) options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Octet,
    Netascii,
    Other,
}

/// As asked for; what makes no sense was not asked for, since RFC 2347 lets a server leave an option out of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// RFC 2348: 8 to 65464.
    pub(super) block_size: Option<u16>,
    /// RFC 2349: the client wants to know.
    pub(super) transfer_size: bool,
    /// RFC 2349: seconds, 1 to 255.
    pub(super) timeout: Option<u8>,
    /// RFC 7440: blocks, 1 to 65535.
    pub(super) window_size: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParseError {
    #[error("the packet ends too early")]
    Short,
    #[error("a text has no end")]
    Unterminated,
    #[error("opcode {0} is nothing that a client says")]
    Opcode(u16),
}

/// RFC 1350 section 5, and RFC 2347 for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ErrorCode {
    NotDefined,
    NotFound,
    AccessViolation,
    IllegalOperation,
}

impl ErrorCode {
    fn number(self) -> u16 {
        match self {
            Self::NotDefined => 0,
            Self::NotFound => 1,
            Self::AccessViolation => 2,
            Self::IllegalOperation => 4,
        }
    }
}

const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACKNOWLEDGEMENT: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;

/// What stands before the bytes of a block.
pub(super) const DATA_HEAD: usize = 4;
/// Without options, RFC 1350.
pub(super) const PLAIN_BLOCK: u16 = 512;
/// RFC 2348.
const BLOCKS: std::ops::RangeInclusive<u32> = 8..=65464;

impl<'a> Packet<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (opcode, rest) = number(bytes)?;
        match opcode {
            READ => Request::parse(rest).map(Self::Read),
            WRITE => Ok(Self::Write),
            ACKNOWLEDGEMENT => Ok(Self::Acknowledgement(number(rest)?.0)),
            ERROR => {
                let (code, rest) = number(rest)?;
                // Some leave out the zero at the end; the code is what counts.
                let message = text(rest).map_or(rest, |(message, _)| message);
                Ok(Self::Error { code, message })
            }
            other => Err(ParseError::Opcode(other)),
        }
    }
}

impl<'a> Request<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (path, rest) = text(bytes)?;
        let (mode, rest) = text(rest)?;
        let mode = match mode {
            mode if mode.eq_ignore_ascii_case(b"octet") => Mode::Octet,
            mode if mode.eq_ignore_ascii_case(b"netascii") => Mode::Netascii,
            _ => Mode::Other,
        };
        Ok(Self { path, mode, options: Options::parse(rest) })
    }
}

impl Options {
    /// Passes over what it does not know (RFC 2347), and over rubbish behind the last pair, which some boot ROMs send.
    fn parse(mut rest: &[u8]) -> Self {
        let mut options = Self::default();
        while let Ok((name, after)) = text(rest)
            && let Ok((value, after)) = text(after)
        {
            options.take(name, decimal(value));
            rest = after;
        }
        options
    }

    /// The first of a name counts.
    fn take(&mut self, name: &[u8], value: Option<u32>) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("blksize") {
            let asked = value.filter(|size| BLOCKS.contains(size));
            self.block_size = self.block_size.or(asked.and_then(|size| size.try_into().ok()));
        } else if is("tsize") {
            self.transfer_size = true;
        } else if is("timeout") {
            let asked = value.and_then(|seconds| seconds.try_into().ok());
            self.timeout = self.timeout.or(asked.filter(|seconds| *seconds > 0));
        } else if is("windowsize") {
            let asked = value.and_then(|blocks| blocks.try_into().ok());
            self.window_size = self.window_size.or(asked.filter(|blocks| *blocks > 0));
        }
    }
}

/// The options that were taken, with the values that hold (RFC 2347).
pub(super) fn acknowledge_options(taken: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = OPTIONS.to_be_bytes().to_vec();
    for (name, value) in taken {
        packet.extend_from_slice(name.as_bytes());
        packet.push(0);
        packet.extend_from_slice(value.to_string().as_bytes());
        packet.push(0);
    }
    packet
}

pub(super) fn error(code: ErrorCode, message: &str) -> Vec<u8> {
    let mut packet = ERROR.to_be_bytes().to_vec();
    packet.extend_from_slice(&code.number().to_be_bytes());
    packet.extend(message.bytes().filter(|byte| *byte != 0));
    packet.push(0);
    packet
}

/// Block numbers begin anew at 0 after 65535, as every client with files beyond 32 MB at 512 bytes expects.
pub(super) fn data_head(block: u64) -> [u8; DATA_HEAD] {
    let [high, low] = (block as u16).to_be_bytes();
    [0, DATA as u8, high, low]
}

fn number(bytes: &[u8]) -> Result<(u16, &[u8]), ParseError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(ParseError::Short)?;
    Ok((u16::from_be_bytes(*number), rest))
}

fn text(bytes: &[u8]) -> Result<(&[u8], &[u8]), ParseError> {
    let end = bytes.iter().position(|byte| *byte == 0).ok_or(ParseError::Unterminated)?;
    Ok((&bytes[..end], &bytes[end + 1..]))
}

fn decimal(text: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(text).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(
        block_size: Option<u16>,
        transfer_size: bool,
        timeout: Option<u8>,
        window_size: Option<u16>,
    ) -> Options {
        Options { block_size, transfer_size, timeout, window_size }
    }

    #[test]
    fn a_request_is_read_as_asked() {
        let none = Options::default();
        let long = format!("\0\x01f\0octet\0blksize\0{}1428\0", "0".repeat(300));
        for (bytes, expected) in [
            (&b"\0\x01boot.efi\0octet\0"[..], Ok((&b"boot.efi"[..], Mode::Octet, none))),
            (b"\0\x01f\0OcTeT\0", Ok((b"f", Mode::Octet, none))),
            (b"\0\x01f\0netascii\0", Ok((b"f", Mode::Netascii, none))),
            (b"\0\x01f\0mail\0", Ok((b"f", Mode::Other, none))),
            (b"\0\x01\0octet\0", Ok((b"", Mode::Octet, none))),
            (
                b"\0\x01f\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0timeout\x002\0",
                Ok((b"f", Mode::Octet, options(Some(1468), true, Some(2), Some(4)))),
            ),
            // Names in any case; unknown ones passed over; the first of two counts.
            (
                b"\0\x01f\0octet\0BLKSIZE\x00512\0multicast\0\0blksize\x001024\0",
                Ok((b"f", Mode::Octet, options(Some(512), false, None, None))),
            ),
            // Values that make no sense are as if they had not been asked for.
            (
                b"\0\x01f\0octet\0blksize\x007\0timeout\x000\0windowsize\x000\0",
                Ok((b"f", Mode::Octet, none)),
            ),
            (
                b"\0\x01f\0octet\0blksize\x0065465\0timeout\x00256\0windowsize\x0065536\0",
                Ok((b"f", Mode::Octet, none)),
            ),
            (b"\0\x01f\0octet\0blksize\x00+512\0", Ok((b"f", Mode::Octet, none))),
            (b"\0\x01f\0octet\0blksize\x0099999999999999999999\0", Ok((b"f", Mode::Octet, none))),
            (long.as_bytes(), Ok((b"f", Mode::Octet, options(Some(1428), false, None, None)))),
            // Rubbish behind the last pair.
            (
                b"\0\x01f\0octet\0tsize\x000\0\xff\xff",
                Ok((b"f", Mode::Octet, options(None, true, None, None))),
            ),
            (b"\0\x01f\0octet", Err(ParseError::Unterminated)),
            (b"\0\x01f", Err(ParseError::Unterminated)),
            (b"\0\x01", Err(ParseError::Unterminated)),
        ] {
            let parsed = Packet::parse(bytes);
            let expected =
                expected.map(|(path, mode, options)| Packet::Read(Request { path, mode, options }));
            assert_eq!(parsed, expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn other_packets_are_told_apart() {
        for (bytes, expected) in [
            (&b"\0\x04\xff\xff"[..], Ok(Packet::Acknowledgement(65535))),
            (b"\0\x04\0\x01more", Ok(Packet::Acknowledgement(1))),
            (
                b"\0\x05\0\x08User aborted\0",
                Ok(Packet::Error { code: 8, message: b"User aborted" }),
            ),
            (b"\0\x05\0\0no end", Ok(Packet::Error { code: 0, message: b"no end" })),
            (b"\0\x02f\0octet\0", Ok(Packet::Write)),
            (b"\0\x03\0\x01data", Err(ParseError::Opcode(3))),
            (b"\0\x06", Err(ParseError::Opcode(6))),
            (b"\0\x04\0", Err(ParseError::Short)),
            (b"\0\x05\0", Err(ParseError::Short)),
            (b"\0", Err(ParseError::Short)),
            (b"", Err(ParseError::Short)),
        ] {
            assert_eq!(Packet::parse(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn answers_are_made() {
        assert_eq!(
            acknowledge_options(&[("tsize", 5_000_000_000), ("blksize", 1428)]),
            b"\0\x06tsize\x005000000000\0blksize\x001428\0"
        );
        assert_eq!(error(ErrorCode::NotFound, "no\0 x"), b"\0\x05\0\x01no x\0");
        assert_eq!(data_head(1), [0, 3, 0, 1]);
        assert_eq!(data_head(65535), [0, 3, 255, 255]);
        assert_eq!(data_head(65536), [0, 3, 0, 0]);
    }

    /// A linear congruential generator: the same bytes at each run.
    fn random(seed: &mut u64) -> u8 {
        *seed =
            seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 56) as u8
    }

    #[test]
    fn any_bytes_are_parsed_or_refused() {
        let mut seed = 7;
        let good: &[u8] = b"\0\x01boot.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0";
        for _ in 0..200_000 {
            let mut bytes = good.to_vec();
            bytes.truncate(usize::from(random(&mut seed)) % (good.len() + 1));
            for _ in 0..random(&mut seed) % 5 {
                let at = usize::from(random(&mut seed));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random(&mut seed);
                }
            }
            if let Ok(Packet::Read(request)) = Packet::parse(&bytes) {
                assert!(request.path.len() < bytes.len());
                let size = request.options.block_size.unwrap_or(PLAIN_BLOCK);
                assert!((8..=65464).contains(&size), "{size}");
            }
        }
    }
}
