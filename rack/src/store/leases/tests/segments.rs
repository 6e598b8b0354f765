use super::*;

/// Commits until so many segments were begun, with snapshots as they are wanted.
fn fill(open: &mut Open, directory: &Path, segments_begun: u64) {
    let begun = |directory| segments(directory).last().copied().unwrap();
    let last = begun(directory) + segments_begun;
    while begun(directory) < last {
        open.commit(7);
        if open.log.snapshots.is_wanted() {
            open.take_snapshot();
        }
    }
}

#[test]
fn segments_are_made_ahead_and_live_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), None);
    assert_eq!(segments(folder.path()), [1, 2, 3, 4], "one to write, three in reserve");
    assert!(segments(folder.path()).iter().all(|n| segment_length(folder.path(), *n) == SEGMENT));
    fill(&mut open, folder.path(), 40);
    wait_until("old segments are freed", || segments(folder.path()).len() <= 9);
    let expected = open.end();
    let again = Open::new(folder.path(), None);
    assert_eq!(again.leases, expected);
    assert_eq!(again.damage, Vec::<String>::new());
}

#[test]
fn a_snapshot_lets_go_of_what_it_stands_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), None);
    while !open.log.snapshots.is_wanted() {
        open.commit(7);
    }
    let before = open.log.monitor.health().segments;
    open.take_snapshot();
    wait_until("segments are freed", || open.log.monitor.health().segments < before);
    // What is written while the snapshot is taken is replayed over it.
    open.commit(7);
    let expected = open.end();
    assert_eq!(Open::new(folder.path(), None).leases, expected);
}

#[test]
fn a_commit_may_be_larger_than_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), None);
    for count in [3, 500, 3, 200, 1] {
        open.commit(count);
    }
    let expected = open.end();
    let again = Open::new(folder.path(), None);
    assert_eq!((again.log.newest, &again.leases), (707, &expected));
}

#[test]
fn a_segment_that_was_half_made_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), None);
    open.commit(3);
    let expected = open.end();
    let last = *segments(folder.path()).last().unwrap();
    fs::write(super::super::files::segment(folder.path(), last), [0; 100]).unwrap();
    let mut again = Open::new(folder.path(), None);
    assert_eq!(again.leases, expected);
    (0..50).for_each(|_| again.commit(3));
    let expected = again.end();
    assert_eq!(Open::new(folder.path(), None).leases, expected);
}

#[test]
fn nothing_is_given_out_twice_when_no_record_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), None);
    while !open.log.snapshots.is_wanted() {
        open.commit(7);
    }
    let newest = open.log.newest;
    // All leases have ended and are forgotten.
    open.leases.clear();
    open.log.snapshots.begin();
    assert!(open.log.snapshots.reserve_piece());
    open.log.writer.add(super::super::Piece { frame: begun(), count: 0, last: true });
    wait_until("segments are freed", || open.log.monitor.health().segments == 1);
    open.end();
    for number in segments(folder.path()) {
        fs::remove_file(super::super::files::segment(folder.path(), number)).unwrap();
    }
    let again = Open::new(folder.path(), None);
    assert_eq!((again.leases.len(), again.log.newest), (0, newest));
}
