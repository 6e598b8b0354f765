//! The form in which leases lie on the disk: a frame for each group commit, in segments and in snapshots alike.
//!
//! Head: magic, CRC-32 of all that follows it, length of the payload, number of records, sequence; then the records as
//! `engine::lease::record` writes them, then zeroes up to the next multiple of `ALIGN`.

/// What the head takes; the engine leaves this much room before its records.
pub(crate) const HEAD: usize = 24;
/// Frames begin at multiples of this, so that a search for the next whole one is quick.
pub(crate) const ALIGN: usize = 8;
const MAGIC: [u8; 4] = *b"HLSE";

/// A whole frame, its checksum verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) sequence: u64,
    pub(crate) records: &'a [u8],
    /// Where the next one begins.
    pub(crate) end: usize,
}

/// Room for the head.
pub(crate) fn begin(out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEAD, 0);
}

/// Fills the head of a frame that `begin` opened and pads it.
pub(crate) fn seal(frame: &mut Vec<u8>, sequence: u64, records: u32) {
    let length = u32::try_from(frame.len() - HEAD).expect("a batch is bounded far below 4 GiB");
    frame[0..4].copy_from_slice(&MAGIC);
    frame[8..12].copy_from_slice(&length.to_le_bytes());
    frame[12..16].copy_from_slice(&records.to_le_bytes());
    frame[16..24].copy_from_slice(&sequence.to_le_bytes());
    let checksum = crc32fast::hash(&frame[8..]);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    frame.resize(frame.len().next_multiple_of(ALIGN), 0);
}

/// The frame at `at`, if a whole one is there.
pub(crate) fn read(bytes: &[u8], at: usize) -> Option<Frame<'_>> {
    let sequence = sequence_at(bytes, at)?;
    let head = bytes.get(at..at + HEAD)?;
    let length = u32::from_le_bytes(head[8..12].try_into().ok()?) as usize;
    let end = at.checked_add(HEAD)?.checked_add(length)?;
    let checked = bytes.get(at + 8..end)?;
    let checksum = u32::from_le_bytes(head[4..8].try_into().ok()?);
    if crc32fast::hash(checked) != checksum {
        return None;
    }
    Some(Frame { sequence, records: &bytes[at + HEAD..end], end: end.next_multiple_of(ALIGN) })
}

/// The first whole frame at or after `at` whose sequence is at least `sequence`, and where it begins.
pub(crate) fn find(bytes: &[u8], at: usize, sequence: u64) -> Option<(usize, Frame<'_>)> {
    (at.next_multiple_of(ALIGN)..bytes.len()).step_by(ALIGN).find_map(|at| {
        // What a recycled segment held before costs no checksum.
        sequence_at(bytes, at).filter(|found| *found >= sequence)?;
        read(bytes, at).map(|frame| (at, frame))
    })
}

/// What the head at `at` claims, unverified.
fn sequence_at(bytes: &[u8], at: usize) -> Option<u64> {
    let head = bytes.get(at..at.checked_add(HEAD)?)?;
    if head[0..4] != MAGIC {
        return None;
    }
    Some(u64::from_le_bytes(head[16..24].try_into().ok()?))
}
