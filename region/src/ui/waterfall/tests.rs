use super::*;
use proto::v1::Meta;

const BEGAN: i64 = 1_800_000_000;

fn at(tenths: i64) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(tenths % 10).unwrap() * 100_000_000;
    Some(prost_types::Timestamp { seconds: BEGAN + tenths / 10, nanos })
}

/// Each stage with the tenth of a second at which it began.
fn attempt(outcome: &str, stages: &[(&str, i64)]) -> BootAttempt {
    let stage = |(step, tenths): &(&str, i64)| BootAttemptStage {
        step: (*step).into(),
        at: at(*tenths),
        detail: if *step == "kernel" { "debian/vmlinuz".into() } else { String::new() },
        bytes: if *step == "kernel" { 14_889_779 } else { 0 },
    };
    let (step, heard) = stages.last().copied().unwrap();
    BootAttempt {
        // Its rack gave it up half a minute after the last word.
        meta: Some(Meta { updated_at: at(heard + 300), ..Meta::default() }),
        mac: "52:54:00:12:34:56".into(),
        machine: "n1".into(),
        outcome: outcome.into(),
        stage: step.into(),
        cause: if outcome == "stalled" { "no memory".into() } else { String::new() },
        started_at: at(0),
        heard_at: at(heard),
        stages: stages.iter().map(stage).collect(),
        ..BootAttempt::default()
    }
}

const NOW: Timestamp = Timestamp::from_seconds(BEGAN + 12);
const STAGES: &[(&str, i64)] = &[("discover", 0), ("script", 10), ("kernel", 15)];

#[test]
fn a_stage_lasts_until_the_next_and_the_last_as_the_boot_ended() {
    for (outcome, until, end) in [
        ("running", 12_000_000, End::Open),
        ("stalled", 31_500_000, End::Silent),
        ("finished", 1_500_000, End::Over),
    ] {
        let attempt = attempt(outcome, STAGES);
        let found = spans(&attempt, &Usual::of(&[]), NOW);
        let places: Vec<_> = found.iter().map(|span| (span.from, span.until)).collect();
        let expected = [(0, 1_000_000), (1_000_000, 1_500_000), (1_500_000, until)];
        assert_eq!((places.as_slice(), found[2].end), (&expected[..], end), "{outcome}");
        assert_eq!(length(&attempt, NOW), until, "{outcome}");
    }
}

#[test]
fn the_drawing_says_in_words_what_it_shows() {
    for (outcome, told) in [
        (
            "running",
            "The boot of n1 goes on since 12.0 s. Discover took 1.0 s; Script took 500 ms; Kernel (debian/vmlinuz) goes on since 10.5 s.",
        ),
        (
            "stalled",
            "The boot of n1 stalled at kernel: no memory. Discover took 1.0 s; Script took 500 ms; Kernel (debian/vmlinuz) was the last that was heard, 30.0 s before it was given up.",
        ),
        (
            "finished",
            "The boot of n1 took 1.5 s. Discover took 1.0 s; Script took 500 ms; Kernel (debian/vmlinuz) was the end of it.",
        ),
    ] {
        let trace = Trace::of(&attempt(outcome, STAGES), &[], NOW);
        assert_eq!(trace.drawing.label, told);
        let drawn = trace.drawing.to_string();
        assert!(drawn.contains("14.2 MiB") && !drawn.contains("NaN"), "{drawn}");
        assert_eq!(drawn.contains("stroke-dasharray"), outcome != "finished");
    }
}

#[test]
fn a_stage_that_takes_longer_than_it_mostly_does_stands_out() {
    let usual =
        |tenths| attempt("finished", &[("discover", 0), ("script", tenths), ("system", 99)]);
    let earlier = [usual(2), usual(3), usual(4), attempt("stalled", &[("discover", 0)])];
    for (tenths, slow) in [(5, false), (20, true)] {
        let now = attempt("finished", &[("discover", 0), ("script", tenths), ("system", 40)]);
        let found = Trace::of(&now, &earlier, NOW);
        assert_eq!(found.rows[0].usual, "300 ms");
        assert_eq!(matches!(found.rows[0].name, Cell::State(Tone::Warn, _)), slow, "{tenths}");
        assert!(found.has_usual && found.rows[2].usual.is_empty());
    }
    let few = Trace::of(&usual(20), &earlier[..2], NOW);
    assert!(!few.has_usual, "two boots are no custom");
}

#[test]
fn the_scale_is_of_round_times_and_of_few() {
    for (whole, count, last) in [
        (100_000, 2, "0.1 s"),
        (12_000_000, 7, "12 s"),
        (33_000_000, 7, "30 s"),
        (300_000_000, 6, "5 min"),
        (86_400_000_000, 7, "24 h"),
    ] {
        let found: Vec<i64> = ticks(whole).collect();
        assert_eq!((found.len(), tick(*found.last().unwrap()).as_str()), (count, last));
    }
}
