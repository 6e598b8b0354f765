use super::*;
use crate::store::leases::{LeaseOutbox, Outgoing};

/// What comes after a fact, a few at a time; `None` for a collapse.
async fn read_on(outbox: &LeaseOutbox, mut after: u64, limit: usize) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    loop {
        match outbox.read(after, limit).await.unwrap() {
            Outgoing::Facts { facts, upto } if facts.is_empty() => {
                assert_eq!(upto, *outbox.newest().borrow());
                return Some(numbers);
            }
            Outgoing::Facts { facts, upto } => {
                assert!(facts.len() <= limit);
                numbers.extend(facts.iter().map(|fact| fact.number));
                after = upto;
            }
            Outgoing::Collapsed(_) => return None,
        }
    }
}

#[tokio::test]
async fn facts_are_read_in_order_across_segments() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), Some(1 << 30));
    for count in (1..9).cycle().take(120) {
        open.commit(count);
    }
    assert!(open.log.monitor.health().segments > 5);
    let newest = open.log.newest;
    for (after, limit) in [(0, 1), (0, 7), (0, 512), (3, 11), (newest - 1, 5), (newest, 5)] {
        let expected: Vec<u64> = (after + 1..=newest).collect();
        assert_eq!(
            read_on(&open.log.outbox, after, limit).await,
            Some(expected),
            "{after} {limit}"
        );
    }
    // The same after a restart, and what comes then goes on from it.
    let expected: Vec<u64> = (1..=newest + 2).collect();
    open.end();
    let mut again = Open::new(folder.path(), Some(1 << 30));
    again.commit(2);
    assert_eq!(read_on(&again.log.outbox, 0, 64).await, Some(expected));
}

#[tokio::test]
async fn a_fact_says_what_the_record_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), Some(1 << 30));
    open.commit(1);
    let Outgoing::Facts { facts, .. } = open.log.outbox.read(0, 10).await.unwrap() else {
        panic!("collapsed");
    };
    let fact = &facts[0];
    assert_eq!((fact.number, fact.vlan, fact.address), (1, vlan(), address(1).into()));
    assert_eq!(fact.state, common::report::LeaseState::Bound);
    assert_eq!(fact.client.mac().unwrap().to_string(), "02:00:0a:00:00:01");
    assert_eq!((fact.host_name.as_slice(), fact.ends.seconds()), (&b"host"[..], 1_700_000_600));
}

#[tokio::test]
async fn newest_follows_the_commits() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), Some(1 << 30));
    let mut newest = open.log.outbox.newest();
    open.commit(4);
    newest.changed().await.unwrap();
    assert_eq!((*newest.borrow(), open.log.outbox.lag()), (4, 4));
    open.log.outbox.recorded(3);
    assert_eq!(open.log.outbox.lag(), 1);
}

/// Commits, with snapshots as they are wanted, and returns the number of the newest fact.
fn work(open: &mut Open, commits: usize) -> u64 {
    for _ in 0..commits {
        open.commit(7);
        if open.log.snapshots.is_wanted() {
            open.take_snapshot();
        }
    }
    open.log.newest
}

#[tokio::test]
async fn what_is_owed_is_kept_until_it_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), Some(1 << 30));
    let newest = work(&mut open, 300);
    let expected: Vec<u64> = (1..=newest).collect();
    assert_eq!(read_on(&open.log.outbox, 0, 100).await, Some(expected));
    let before = segments(folder.path()).len();
    open.log.outbox.recorded(newest);
    wait_until("segments are freed", || segments(folder.path()).len() < before / 2);
    assert_eq!(read_on(&open.log.outbox, newest, 100).await, Some(Vec::new()));
    // That it is recorded is known after a restart too.
    open.end();
    let again = Open::new(folder.path(), Some(1 << 30));
    assert_eq!(again.log.outbox.lag(), 0);
}

#[tokio::test]
async fn more_than_the_limit_collapses_into_all_leases() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::new(folder.path(), Some(6 * SEGMENT));
    let newest = work(&mut open, 300);
    wait_until("segments are freed", || segments(folder.path()).len() <= 10);
    assert_eq!(read_on(&open.log.outbox, 0, 100).await, None);
    let Outgoing::Collapsed(mut pages) = open.log.outbox.read(0, 100).await.unwrap() else {
        panic!("facts that are gone");
    };
    assert_eq!(pages.upto(), newest);
    let pages: Vec<_> = std::iter::from_fn(|| pages.next_page(300)).collect();
    let flags: Vec<_> =
        pages.iter().map(|page| (page.leases.len(), page.first, page.last)).collect();
    assert_eq!(
        flags,
        [(300, true, false), (300, false, false), (300, false, false), (100, false, true)]
    );
    let told: BTreeMap<_, _> = pages
        .iter()
        .flat_map(|page| &page.leases)
        .map(|lease| (lease.address, lease.number))
        .collect();
    let expected: BTreeMap<_, _> =
        open.leases.iter().map(|(address, (revision, _))| ((*address).into(), *revision)).collect();
    assert_eq!(told, expected);
    // From there on it is facts again.
    open.commit(2);
    assert_eq!(read_on(&open.log.outbox, newest, 100).await, Some(vec![newest + 1, newest + 2]));
}
