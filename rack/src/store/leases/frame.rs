//! Frames as they lie in a file, one after the other. In a segment a frame is one group commit and its number is the revision of its first
//! record; in a snapshot frames are counted from 1.

use engine::lease::record::{self, Frame};

/// Frames begin at multiples of this, so that a search for the next whole one is quick.
const ALIGN: usize = 8;

const UNWRITTEN: [u8; 512 * ALIGN] = [0; 512 * ALIGN];

/// Fills the head of a frame that `record::begin` began, and pads its end.
pub(super) fn seal(frame: &mut Vec<u8>, number: u64, count: u32) {
    record::seal(frame, number, count);
    frame.resize(frame.len().next_multiple_of(ALIGN), 0);
}

/// The first whole frame at or after `at` whose number is at least `number`, and where the next one begins.
/// Lower numbers are what a recycled segment held before.
pub(super) fn find(bytes: &[u8], mut at: usize, number: u64) -> Option<(Frame<'_>, usize)> {
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        // What was never written is passed over at the speed of memory.
        if rest.starts_with(&UNWRITTEN) {
            at += UNWRITTEN.len();
            continue;
        }
        if let Some(frame) = record::read_frame(rest).filter(|frame| frame.sequence >= number) {
            let end = at + space(&frame);
            return Some((frame, end));
        }
        at += ALIGN;
    }
    None
}

/// What a frame takes in its file.
pub(super) fn space(frame: &Frame<'_>) -> usize {
    frame.size().next_multiple_of(ALIGN)
}
