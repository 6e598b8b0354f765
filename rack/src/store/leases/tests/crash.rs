use std::{
    env,
    io::{BufRead, BufReader, Write, stdout},
    process::{Child, Command, Stdio},
};

use super::*;

const DIRECTORY: &str = "HOSTLER_TEST_LEASE_LOG";

/// The child: commits and acknowledges, until it is killed.
#[test]
#[ignore = "is run by the test below, in a process of its own"]
fn commits_until_it_is_killed() {
    let directory = env::var(DIRECTORY).unwrap();
    let mut open = Open::new(Path::new(&directory), None);
    loop {
        open.commit(5);
        writeln!(stdout(), "acknowledged {}", open.log.newest).unwrap();
        if open.log.snapshots.is_wanted() {
            open.take_snapshot();
        }
    }
}

#[test]
fn no_acknowledged_lease_is_lost_to_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    for commits in [1, 2, 50, 300, 1000] {
        let mut child = start(folder.path());
        let acknowledged = read_acknowledged(&mut child, commits);
        child.kill().unwrap();
        child.wait().unwrap();
        let open = Open::new(folder.path(), None);
        assert_eq!(open.damage, Vec::<String>::new());
        assert!(open.log.newest >= acknowledged, "{} of {acknowledged}", open.log.newest);
        let first = open.log.newest.saturating_sub(999).max(1);
        for revision in first..=acknowledged {
            let lease = open.leases.get(&address(revision)).copied();
            assert_eq!(lease, Some((revision, State::Bound)));
        }
        open.end();
    }
}

fn start(directory: &Path) -> Child {
    let test = "store::leases::tests::crash::commits_until_it_is_killed";
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The last one of so many acknowledgements.
fn read_acknowledged(child: &mut Child, commits: usize) -> u64 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The first one stands behind the harness's own words.
    let numbers = lines.filter_map(|line| line.split("acknowledged ").nth(1)?.parse().ok());
    numbers.take(commits).last().unwrap()
}
