//! The options of a packet, one by one. Not by dhcproto's iterator: it joins only neighbouring parts, passes over `file` and `sname`, and takes a torn option
//! for the end.

use std::ops::Range;

use super::counters::Dropped;

const PAD: u8 = 0;
const OVERLOAD: u8 = 52;
const END: u8 = 255;
/// Where `sname`, `file` and the options lie in a packet (RFC 2131 section 2).
const SNAME: Range<usize> = 44..108;
const FILE: Range<usize> = 108..236;
const COOKIE: Range<usize> = 236..240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// Room for options that came in several parts (RFC 3396); kept from packet to packet.
#[derive(Default)]
pub(crate) struct Joined {
    parts: Vec<Part>,
    bytes: Vec<u8>,
}

/// One part of an option; in order of code, then of appearance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    code: u8,
    order: usize,
    start: usize,
    length: usize,
}

/// Hands each option to `set`, whole. `packet` has its fixed header.
pub(crate) fn options<'a>(
    packet: &'a [u8],
    joined: &'a mut Joined,
    mut set: impl FnMut(u8, &'a [u8]) -> Result<(), Dropped>,
) -> Result<(), Dropped> {
    if packet[COOKIE] != MAGIC {
        return Err(Dropped::NoCookie);
    }
    let mut seen = [0_u64; 4];
    let mut in_parts = false;
    each(packet, COOKIE.end..packet.len(), |code, value| {
        let (word, bit) = (usize::from(code >> 6), 1 << (code & 63));
        in_parts |= code == OVERLOAD || seen[word] & bit != 0;
        seen[word] |= bit;
        if in_parts { Ok(()) } else { set(code, &packet[value]) }
    })?;
    if in_parts { join(packet, joined)?.each(set) } else { Ok(()) }
}

/// Finds all parts, in the order of RFC 3396 section 5: options, then `file`, then `sname`.
fn join<'a>(packet: &[u8], joined: &'a mut Joined) -> Result<&'a Joined, Dropped> {
    let Joined { parts, bytes } = joined;
    parts.clear();
    bytes.clear();
    let mut overload = 0;
    for (bit, area) in [(0, COOKIE.end..packet.len()), (1, FILE), (2, SNAME)] {
        if overload & bit != bit {
            continue;
        }
        let is_first = bit == 0;
        each(packet, area, |code, value| {
            if code == OVERLOAD && is_first {
                overload |= packet[value.clone()].first().copied().unwrap_or(0);
            }
            let (order, start, length) = (parts.len(), value.start, value.len());
            parts.push(Part { code, order, start, length });
            Ok(())
        })?;
    }
    parts.sort_unstable();
    for part in parts.iter_mut() {
        let start = bytes.len();
        bytes.extend_from_slice(&packet[part.start..][..part.length]);
        part.start = start;
    }
    Ok(joined)
}

impl Joined {
    fn each<'a>(
        &'a self,
        mut set: impl FnMut(u8, &'a [u8]) -> Result<(), Dropped>,
    ) -> Result<(), Dropped> {
        for parts in self.parts.chunk_by(|a, b| a.code == b.code) {
            let length = parts.iter().map(|part| part.length).sum::<usize>();
            // what is kept with a lease, or echoed, has to fit one option again
            if length > 255 {
                return Err(Dropped::OptionLength);
            }
            set(parts[0].code, &self.bytes[parts[0].start..][..length])?;
        }
        Ok(())
    }
}

/// Each option of one area, by where its value lies in the packet.
fn each(
    packet: &[u8],
    area: Range<usize>,
    mut visit: impl FnMut(u8, Range<usize>) -> Result<(), Dropped>,
) -> Result<(), Dropped> {
    let mut at = area.start;
    while at < area.end {
        let code = packet[at];
        at += 1;
        match code {
            PAD => continue,
            END => break,
            _ => {}
        }
        let end = match packet.get(at) {
            Some(length) if at < area.end => at + 1 + usize::from(*length),
            _ => return Err(Dropped::OptionTruncated),
        };
        if end > area.end {
            return Err(Dropped::OptionTruncated);
        }
        visit(code, at + 1..end)?;
        at = end;
    }
    Ok(())
}
