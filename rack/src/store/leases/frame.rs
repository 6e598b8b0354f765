//! Frames as they lie in a file, one after the other. In a segment a frame is one group commit and its number is the revision of its first
//! record; in a snapshot frames are counted from 1.

use engine::lease::record::{self, Frame};

/// Frames begin at multiples of this, so that a search for the next whole one is quick.
const ALIGN: usize = 8;

/// Fills the head of a frame that `record::begin` began, and pads its end.
pub(super) fn seal(frame: &mut Vec<u8>, number: u64, count: u32) {
    record::seal(frame, number, count);
    frame.resize(frame.len().next_multiple_of(ALIGN), 0);
}

/// The first whole frame at or after `at` whose number is at least `number`, and where the next one begins.
/// Lower numbers are what a recycled segment held before.
pub(super) fn find(bytes: &[u8], at: usize, number: u64) -> Option<(Frame<'_>, usize)> {
    (at..bytes.len()).step_by(ALIGN).find_map(|at| {
        let frame = record::read_frame(&bytes[at..])?;
        (frame.sequence >= number).then(|| (frame, at + space(&frame)))
    })
}

/// What a frame takes in its file.
pub(super) fn space(frame: &Frame<'_>) -> usize {
    frame.size().next_multiple_of(ALIGN)
}
