use std::{collections::BTreeSet, fs};

use super::*;
use crate::store::leases::{files, frame, replay::replay};

const FRAMES: u64 = 10;
const RECORDS: u64 = 2;

/// Frames, and where each begins.
fn written() -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for number in 0..FRAMES {
        let first = number * RECORDS + 1;
        let mut frame = begun();
        for revision in first..first + RECORDS {
            write_record(&mut frame, revision, address(revision), State::Bound);
        }
        frame::seal(&mut frame, first, u32::try_from(RECORDS).unwrap());
        starts.push(bytes.len());
        bytes.extend(frame);
    }
    (bytes, starts)
}

/// Revisions that are read back from one segment, and what is found missing.
fn read(bytes: &[u8]) -> (BTreeSet<u64>, Vec<(u64, u64)>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(files::segment(folder.path(), 1), bytes).unwrap();
    let mut found = BTreeSet::new();
    let replayed = replay(folder.path(), |frame| {
        found.extend(frame.records().map(|record| record.unwrap().revision));
    });
    let damage = replayed.unwrap().damage;
    (found, damage.iter().map(|damage| (damage.first, damage.last)).collect())
}

#[test]
fn a_torn_tail_loses_its_own_commit_and_no_other() {
    let (whole, starts) = written();
    let size = starts[1];
    for cut in 0..whole.len() {
        // The zeroes that the last write did not reach.
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        let (found, damage) = read(&torn);
        let kept = found.len() as u64 / RECORDS;
        // A cut in the padding, or where zeroes were to be written, takes nothing away.
        let whole_frames = (cut / size) as u64;
        assert!((whole_frames..=whole_frames + 1).contains(&kept), "cut at {cut} kept {kept}");
        assert!(found.iter().copied().eq(1..=kept * RECORDS), "cut at {cut}");
        assert!(damage.is_empty(), "cut at {cut}: {damage:?}");
    }
}

#[test]
fn a_flipped_byte_loses_its_own_commit_and_says_so() {
    let (whole, starts) = written();
    let size = starts[1];
    // Nothing reads the padding behind a frame.
    let checked = record::read_frame(&whole).unwrap().size();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        let (found, damage) = read(&flipped);
        let hit = (at / size) as u64;
        let lost = hit * RECORDS + 1..=(hit + 1) * RECORDS;
        if found.len() as u64 == FRAMES * RECORDS {
            assert!(at % size >= checked, "nothing noticed the flip at {at}");
            continue;
        }
        let expected: BTreeSet<u64> =
            (1..=FRAMES * RECORDS).filter(|revision| !lost.contains(revision)).collect();
        assert_eq!(found, expected, "flipped at {at}");
        let is_tail = hit == FRAMES - 1;
        let named = if is_tail { vec![] } else { vec![(*lost.start(), *lost.end())] };
        assert_eq!(damage, named, "flipped at {at}");
    }
}

#[test]
fn what_a_segment_held_in_its_former_life_is_not_read() {
    let (mut recycled, starts) = written();
    let (now, _) = written();
    // In its first life it held all frames; the second goes on with the last one.
    let last = *starts.last().unwrap();
    recycled[..now.len() - last].copy_from_slice(&now[last..]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(files::segment(folder.path(), 1), &now[..last]).unwrap();
    fs::write(files::segment(folder.path(), 2), &recycled).unwrap();
    let mut found = Vec::new();
    let replayed = replay(folder.path(), |frame| found.push(frame.sequence)).unwrap();
    assert_eq!(found, (0..FRAMES).map(|number| number * RECORDS + 1).collect::<Vec<_>>());
    assert_eq!((replayed.newest, replayed.damage), (FRAMES * RECORDS, vec![]));
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let (whole, starts) = written();
    let folder = tempfile::tempdir().unwrap();
    for (number, part) in [(1, 0..3), (3, 6..10)] {
        let end = starts.get(part.end).copied().unwrap_or(whole.len());
        fs::write(files::segment(folder.path(), number), &whole[starts[part.start]..end]).unwrap();
    }
    let mut found = 0;
    let replayed = replay(folder.path(), |frame| found += frame.count).unwrap();
    let missing: Vec<_> = replayed.damage.iter().map(|own| (own.first, own.last)).collect();
    assert_eq!((found, missing), (14, vec![(7, 12)]));
}

#[test]
fn all_is_there_after_many_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Leases::new();
    for round in 1..30 {
        let mut open = Open::new(folder.path(), None);
        assert_eq!(open.leases, expected, "before round {round}");
        assert_eq!(open.damage, Vec::<String>::new());
        assert_eq!(open.log.newest, expected.values().map(|own| own.0).max().unwrap_or(0));
        (0..round % 7).for_each(|_| open.commit(3));
        expected = open.end();
    }
}

#[test]
fn a_damaged_snapshot_is_reported_and_what_is_whole_of_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), None);
    while !open.log.snapshots.is_wanted() {
        open.commit(5);
    }
    open.take_snapshot();
    let path = files::snapshot(folder.path());
    wait_until("the snapshot is there", || path.exists());
    let expected = open.end();
    let whole = fs::read(&path).unwrap();
    let step = whole.len() / 40;
    for at in (0..whole.len()).step_by(step) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        fs::write(&path, flipped).unwrap();
        let mut found = Leases::new();
        let replayed = replay(folder.path(), |frame| {
            for record in frame.records().flatten() {
                found.insert(record.address, (record.revision, record.state));
            }
        });
        let damage = replayed.unwrap().damage;
        let is_padding = damage.is_empty() && found == expected;
        assert!(is_padding || !damage.is_empty(), "flipped at {at}");
        assert!(found.len() + 64 >= expected.len(), "flipped at {at}: {} left", found.len());
    }
}
