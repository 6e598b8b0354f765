use super::*;

const ASKED: Options =
    Options { block_size: None, transfer_size: false, timeout: None, window_size: None };

#[test]
fn terms_are_what_is_asked_as_far_as_it_is_granted() {
    let with = |block_size, window_size| Options { block_size, window_size, ..ASKED };
    for (asked, block_size, window, acknowledged) in [
        (ASKED, 512, 1, vec![]),
        (with(Some(1428), None), 1428, 1, vec![("blksize", 1428)]),
        (with(None, Some(16)), 512, 16, vec![("windowsize", 16)]),
        (with(None, Some(65535)), 512, 64, vec![("windowsize", 64)]),
        (with(Some(65464), Some(64)), 65464, 1, vec![("blksize", 65464), ("windowsize", 1)]),
        (
            Options { transfer_size: true, timeout: Some(3), ..ASKED },
            512,
            1,
            vec![("tsize", 5000), ("timeout", 3)],
        ),
    ] {
        let (terms, options) = Terms::negotiate(&asked, 5000);
        assert_eq!((terms.block_size, terms.window), (block_size, window), "{asked:?}");
        assert_eq!(options, acknowledged, "{asked:?}");
    }
}

#[test]
fn blocks_lie_in_the_file_one_after_the_other() {
    for (size, blocks, last) in
        [(0, 1, (0, 0)), (511, 1, (0, 511)), (512, 2, (512, 0)), (1025, 3, (1024, 1))]
    {
        let (terms, _) = Terms::negotiate(&ASKED, size);
        assert_eq!(terms.blocks(), blocks, "{size}");
        assert_eq!(terms.place(blocks), last, "{size}");
    }
}

/// What comes in, and what must come of it.
#[derive(Clone, Copy)]
enum In {
    Ack(u16),
    Error(u16),
    Unreachable,
    /// Seconds after the last.
    After(u64),
}

fn send(first: u64, last: u64) -> Step {
    Step::Send { first, last }
}

const DONE: Step = Step::End(Ending::Done);
const FAILED: fn(Failure) -> Step = |failure| Step::End(Ending::Failed(failure));

/// A file of 10 blocks of 512 bytes, the last one empty.
fn check(case: &str, window: Option<u16>, first: Step, steps: &[(In, Step)]) -> Transfer {
    let asked = Options { window_size: window, ..ASKED };
    let (terms, options) = Terms::negotiate(&asked, 9 * 512);
    let mut now = Instant::now();
    let (mut transfer, step) = Transfer::new(terms, !options.is_empty(), now);
    assert_eq!(step, first, "{case}");
    for (at, (input, expected)) in steps.iter().enumerate() {
        let step = match input {
            In::Ack(number) => transfer.handle_acknowledgement(*number, now),
            In::Error(code) => transfer.handle_error(*code),
            In::Unreachable => transfer.handle_unreachable(),
            In::After(seconds) => {
                now += Duration::from_secs(*seconds);
                transfer.handle_timeout(now)
            }
        };
        assert_eq!(step, *expected, "{case}: step {at}");
    }
    transfer
}

#[test]
fn lock_step() {
    let nothing = Step::Nothing;
    let all: Vec<(In, Step)> = (1..10)
        .map(|n| (In::Ack(n), send(u64::from(n) + 1, u64::from(n) + 1)))
        .chain([(In::Ack(10), DONE)])
        .collect();
    let transfer = check("all goes well", None, send(1, 1), &all);
    assert_eq!((transfer.delivered(), transfer.repeated), (9 * 512, 0));
    check(
        "a duplicate sends nothing",
        None,
        send(1, 1),
        &[(In::Ack(1), send(2, 2)), (In::Ack(1), nothing), (In::Ack(2), send(3, 3))],
    );
    check(
        "numbers of the past and of the future",
        None,
        send(1, 1),
        &[(In::Ack(0), nothing), (In::Ack(2), nothing), (In::Ack(65535), nothing)],
    );
    check(
        "a lost block goes out again",
        None,
        send(1, 1),
        &[(In::After(0), nothing), (In::After(1), send(1, 1)), (In::Ack(1), send(2, 2))],
    );
    check(
        "an error ends it",
        None,
        send(1, 1),
        &[(In::Ack(1), send(2, 2)), (In::Error(0), FAILED(Failure::Aborted))],
    );
    check(
        "a closed port ends it",
        None,
        send(1, 1),
        &[(In::Unreachable, FAILED(Failure::Aborted))],
    );
}

#[test]
fn who_falls_silent_is_given_up() {
    let again = |step| move |seconds| (In::After(seconds), step);
    let first: Vec<_> = [1, 2, 4].map(again(send(1, 1))).into();
    let gone = (In::After(8), FAILED(Failure::TimedOut));
    check("never heard of", None, send(1, 1), &[first, vec![gone]].concat());
    let offers: Vec<_> = [1, 2, 4].map(again(Step::Offer)).into();
    check("never heard of, with options", Some(4), Step::Offer, &[offers, vec![gone]].concat());
    let later: Vec<_> = [1, 2, 4, 8, 8].map(again(send(2, 2))).into();
    let begun = vec![(In::Ack(1), send(2, 2))];
    check("in the middle", None, send(1, 1), &[begun, later, vec![gone]].concat());
}

#[test]
fn windows() {
    let nothing = Step::Nothing;
    let begun = (In::Ack(0), send(1, 4));
    let transfer = check(
        "all goes well",
        Some(4),
        Step::Offer,
        &[begun, (In::Ack(4), send(5, 8)), (In::Ack(8), send(9, 10)), (In::Ack(10), DONE)],
    );
    assert_eq!(transfer.repeated, 0);
    let transfer = check(
        "the first block is lost: once again, whatever else says so",
        Some(4),
        Step::Offer,
        &[begun, (In::Ack(0), send(1, 4)), (In::Ack(0), nothing), (In::Ack(4), send(5, 8))],
    );
    assert_eq!(transfer.repeated, 4);
    let transfer = check(
        "one in the middle is lost",
        Some(4),
        Step::Offer,
        &[begun, (In::Ack(2), send(3, 6)), (In::Ack(2), nothing), (In::Ack(6), send(7, 10))],
    );
    assert_eq!(transfer.repeated, 2);
    check(
        "after silence a repeated acknowledgement counts again",
        Some(4),
        Step::Offer,
        &[begun, (In::Ack(0), send(1, 4)), (In::After(1), send(1, 4)), (In::Ack(0), send(1, 4))],
    );
    check("the size is enough", Some(4), Step::Offer, &[(In::Error(8), Step::End(Ending::Probed))]);
    check(
        "acknowledging no options",
        Some(4),
        Step::Offer,
        &[(In::Ack(1), nothing), (In::After(1), Step::Offer)],
    );
    check(
        "the last acknowledgement is lost and the client gone",
        Some(16),
        Step::Offer,
        &[(In::Ack(0), send(1, 10)), (In::Unreachable, DONE)],
    );
}

#[test]
fn block_numbers_begin_anew() {
    let (terms, _) = Terms::negotiate(&Options { block_size: Some(8), ..ASKED }, 8 * 70_000);
    let now = Instant::now();
    let (mut transfer, _) = Transfer::new(terms, false, now);
    for block in 1..=70_000_u64 {
        let step = transfer.handle_acknowledgement(block as u16, now);
        assert_eq!(step, send(block + 1, block + 1));
    }
    assert_eq!(transfer.handle_acknowledgement(70_001_u64 as u16, now), DONE);
}

/// Whatever comes in, what goes out lies in the window that RFC 7440 allows, and what is acknowledged never shrinks.
#[test]
fn any_numbers_keep_to_the_window() {
    let asked = Options { window_size: Some(8), block_size: Some(8), ..ASKED };
    let (terms, _) = Terms::negotiate(&asked, 8 * 1000);
    let now = Instant::now();
    let (mut transfer, _) = Transfer::new(terms, true, now);
    let (mut seed, mut delivered) = (1_u64, 0);
    for _ in 0..100_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let block = transfer.delivered() / 8;
        let number = (block as u16).wrapping_add((seed >> 60) as u16).wrapping_sub(2);
        match transfer.handle_acknowledgement(number, now) {
            Step::Send { first, last } => {
                assert_eq!(first, transfer.delivered() / 8 + 1);
                assert!(last >= first && last < first + 8 && last <= 1001);
            }
            Step::End(ending) => return assert_eq!(ending, Ending::Done),
            Step::Nothing | Step::Offer => {}
        }
        assert!(transfer.delivered() >= delivered);
        delivered = transfer.delivered();
    }
    panic!("it never ends");
}
