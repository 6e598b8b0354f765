//! `hostler machine boot-trace`: how far a machine came as it booted, stage by stage, and what it hangs on.

use clap::ArgMatches;
use proto::{
    describe,
    v1::{BootAttempt, BootAttemptStage},
};
use std::time::Duration;

use crate::{
    failure::Exit,
    grammar,
    output::{Form, GREEN, RED, Screen, Shape, YELLOW, bytes, plain_table},
    profile::Target,
    region::Client,
};

/// Region tells by events how a boot starts and ends; in between its row is looked at.
const LOOK: Duration = Duration::from_secs(1);
const BAR: usize = 24;

/// The newest attempt of a machine, or the one that is named.
pub(crate) async fn run(noun: &str, arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let kind = describe::kind("boot-attempt").expect("the contract has it");
    let shape = Shape::of(kind, arguments, Screen::of_stdout())?;
    let mut client = Client::connect(&Target::of(arguments)?).await?;
    let id = grammar::word(arguments, "id");
    let watch = arguments.get_flag("watch");
    let for_people = matches!(shape.form, Form::Table | Form::Wide);
    let mut shown = None;
    loop {
        let item = match noun {
            "machine" => {
                let filter = format!("machine={id}");
                client.list(kind, &filter, "started_at desc", Some(1)).await?.0.pop()
            }
            _ => Some(client.get(kind, &id).await?),
        };
        if shown.as_ref() != Some(&item) {
            let text = match &item {
                None => never_booted(watch, &id)?,
                Some(item) if !for_people => shape.one(item)?,
                Some(item) => page(&item.transcode_to()?, shape.screen),
            };
            let between = if shown.is_some() { "\n" } else { "" };
            shape.screen.print(&format!("{between}{text}"))?;
            shown = Some(item);
        }
        if !watch {
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
    }
}

fn never_booted(watch: bool, machine: &str) -> anyhow::Result<String> {
    anyhow::ensure!(watch, "{machine} has not booted from the network since its boots are kept");
    Ok(format!("{machine} has not booted from the network yet; waiting for it\n"))
}

fn page(attempt: &BootAttempt, screen: Screen) -> String {
    let or =
        |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let began = attempt.started_at.unwrap_or_default();
    let head = format!(
        "{}  {}  {}  by {} on {}  {}\n",
        or(&attempt.machine, "unknown machine"),
        attempt.mac,
        or(&attempt.architecture, "architecture not told"),
        or(&attempt.rack, "an unknown rack"),
        or(&attempt.vlan, "an unknown VLAN"),
        prost_types::Timestamp { nanos: 0, ..began },
    );
    let took = seconds(attempt.heard_at.unwrap_or_default()) - seconds(began);
    let verdict = match attempt.outcome.as_str() {
        "finished" => screen.paint(GREEN, &format!("finished after {took:.1} s")),
        "stalled" => {
            let stage = or(&attempt.stage, "the first packet");
            screen.paint(RED, &format!("stalled at {stage} after {took:.1} s: {}", attempt.cause))
        }
        _ => screen.paint(YELLOW, &format!("running since {took:.1} s")),
    };
    format!("{}{verdict}\n\n{}", screen.bold(&head), waterfall(attempt, took, screen))
}

fn waterfall(attempt: &BootAttempt, took: f64, screen: Screen) -> String {
    let mut rows = vec![["stage", "at", "time", "", "sent", "what"].map(str::to_owned).to_vec()];
    let began = seconds(attempt.started_at.unwrap_or_default());
    let at = |stage: &BootAttemptStage| seconds(stage.at.unwrap_or_default()) - began;
    for (place, stage) in attempt.stages.iter().enumerate() {
        let (from, until) = (at(stage), attempt.stages.get(place + 1).map_or(took, at));
        let stalled = attempt.outcome == "stalled" && place + 1 == attempt.stages.len();
        rows.push(vec![
            stage.step.clone() + if stalled { " !" } else { "" },
            format!("{from:.1} s"),
            format!("{:.1} s", until - from),
            bar(from, until, took),
            if stage.bytes > 0 { bytes(stage.bytes as f64) } else { String::new() },
            stage.detail.clone(),
        ]);
    }
    plain_table(&rows, screen)
}

/// Where in the whole of it a stage is.
fn bar(from: f64, until: f64, whole: f64) -> String {
    let place = |at: f64| {
        let share = if whole > 0.0 { at / whole } else { 0.0 };
        (share.clamp(0.0, 1.0) * (BAR - 1) as f64) as usize
    };
    let (first, last) = (place(from), place(until).max(place(from)));
    let mark = |at: usize| if (first..=last).contains(&at) { '#' } else { '.' };
    (0..BAR).map(mark).collect()
}

fn seconds(at: prost_types::Timestamp) -> f64 {
    at.seconds as f64 + f64::from(at.nanos) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tenths: i64) -> Option<prost_types::Timestamp> {
        let nanos = i32::try_from(tenths % 10).unwrap() * 100_000_000;
        Some(prost_types::Timestamp { seconds: 1_800_000_000 + tenths / 10, nanos })
    }

    #[test]
    fn the_stage_that_it_hangs_on_stands_out_with_its_cause() {
        let stage = |step: &str, tenths, detail: &str, bytes| BootAttemptStage {
            step: step.into(),
            at: time(tenths),
            detail: detail.into(),
            bytes,
        };
        let attempt = BootAttempt {
            mac: "52:54:00:12:34:56".into(),
            machine: "n1".into(),
            architecture: "uefi-x64".into(),
            rack: "rack1".into(),
            vlan: "dc1/10".into(),
            outcome: "stalled".into(),
            stage: "loader-done".into(),
            cause: "Secure Boot refuses it".into(),
            started_at: time(0),
            heard_at: time(120),
            stages: vec![
                stage("discover", 0, "", 0),
                stage("loader-requested", 2, "ipxe/snponly.efi", 1_048_576),
                stage("loader-done", 100, "", 0),
            ],
            ..Default::default()
        };
        let screen = Screen { width: None, colour: false };
        assert_eq!(
            page(&attempt, screen),
            "n1  52:54:00:12:34:56  uefi-x64  by rack1 on dc1/10  2027-01-15T08:00:00Z\n\
             stalled at loader-done after 12.0 s: Secure Boot refuses it\n\n\
             STAGE             AT      TIME                             SENT     WHAT\n\
             discover          0.0 s   0.2 s  #.......................\n\
             loader-requested  0.2 s   9.8 s  ####################....  1.0 MiB  ipxe/snponly.efi\n\
             loader-done !     10.0 s  2.0 s  ...................#####\n"
        );
    }
}
