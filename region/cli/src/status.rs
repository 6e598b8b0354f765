//! How far the racks are with what they were told: `hostler status`, `hostler rack status`, `hostler rack converge`.

use clap::ArgMatches;
use common::report::{RackCounts, Waiting};
use prost_reflect::DynamicMessage;
use proto::{
    describe,
    v1::{self, Progress, RackConvergence},
};

use crate::{
    failure::Exit,
    grammar,
    output::{self, Screen, plain_table},
    profile::Target,
    region::Client,
    verbs::wait,
};

pub(crate) async fn overview(client: &mut Client) -> anyhow::Result<v1::OverviewResponse> {
    let method = describe::method("hostler.v1.Convergence", "Overview");
    let answer = client.unary(&method, DynamicMessage::new(method.input())).await?;
    Ok(answer.item.transcode_to()?)
}

/// All racks, or the one that is named.
pub(crate) async fn show(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let mut overview = overview(&mut Client::connect(&Target::of(arguments)?).await?).await?;
    if let Some(name) = grammar::typed::<String>(arguments, "id") {
        overview.racks.retain(|rack| rack.rack == name || rack.rack_id == name);
        anyhow::ensure!(!overview.racks.is_empty(), "there is no rack {name:?}: hostler rack list");
        overview.current = u32::from(overview.racks.iter().any(|rack| rack.current));
    }
    let screen = Screen::of_stdout();
    let text = match grammar::word(arguments, "output").as_str() {
        "json" => {
            let value = output::json(&proto::masks::to_dynamic(&overview))?;
            serde_json::to_string_pretty(&value)? + "\n"
        }
        "yaml" => serde_yaml_ng::to_string(&output::json(&proto::masks::to_dynamic(&overview))?)?,
        _ => page(&overview, screen),
    };
    screen.print(&text)?;
    Ok(Exit::Done)
}

/// Waits until every rack has everything that was saved up to now.
pub(crate) async fn converge(arguments: &ArgMatches) -> anyhow::Result<Exit> {
    let mut client = Client::connect(&Target::of(arguments)?).await?;
    let seconds = grammar::typed(arguments, "wait").unwrap_or(wait::USUAL_SECONDS);
    wait::until_applied(&mut client, "", seconds).await
}

fn page(overview: &v1::OverviewResponse, screen: Screen) -> String {
    let mut rows =
        vec![["rack", "state", "last seen", "outbox", "behind with"].map(str::to_owned).to_vec()];
    for rack in &overview.racks {
        let seen = rack.last_seen.map_or_else(|| "-".to_owned(), moment);
        let mut behind = rack.behind.iter().map(behind);
        let first = behind.next().unwrap_or_else(|| "-".to_owned());
        rows.push(vec![rack.rack.clone(), state(rack).to_owned(), seen, outbox(rack), first]);
        rows.extend(behind.map(|more| {
            let mut row = vec![String::new(); 4];
            row.push(more);
            row
        }));
    }
    let count = format!("{} of {} racks up to date\n", overview.current, overview.racks.len());
    if overview.racks.is_empty() {
        return count + "a rack joins with a token: hostler rack token create\n";
    }
    format!("{}\n{}", screen.bold(&count), plain_table(&rows, screen))
}

fn state(rack: &RackConvergence) -> &'static str {
    let refused = rack.behind.iter().any(|scope| scope.progress() == Progress::Refused);
    match (rack.connected, rack.current) {
        (false, _) => "unreachable",
        (true, true) => "up to date",
        (true, false) if refused => "refused",
        (true, false) => "pending",
    }
}

/// The facts that region has not recorded, and for how long the oldest has waited.
fn outbox(rack: &RackConvergence) -> String {
    let counts = rack.counts.clone().map(RackCounts::from);
    match counts.and_then(|counts| counts.all_waiting()) {
        None => "-".to_owned(),
        Some(Waiting { facts: 0, .. }) => "empty".to_owned(),
        Some(Waiting { facts, oldest }) => format!("{facts}, oldest {} s", oldest.as_secs()),
    }
}

fn behind(scope: &v1::ScopeProgress) -> String {
    let mut text = scope.name.clone();
    let objections =
        scope.objections.iter().map(|one| format!("{} {:?} {}", one.field, one.value, one.rule));
    let why: Vec<String> = Some(scope.reason.clone())
        .filter(|why| !why.is_empty())
        .into_iter()
        .chain(objections)
        .collect();
    if !why.is_empty() {
        text += &format!(": {}", why.join("; "));
    }
    text
}

/// To the second.
fn moment(at: prost_types::Timestamp) -> String {
    prost_types::Timestamp { nanos: 0, ..at }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_who_is_behind_and_why() {
        let scope = |progress: Progress, reason: &str| v1::ScopeProgress {
            name: "dhcp dc1/10".into(),
            progress: progress.into(),
            reason: reason.into(),
            ..Default::default()
        };
        let rack = |rack: &str, connected, current, behind| RackConvergence {
            rack: rack.into(),
            connected,
            current,
            behind,
            ..Default::default()
        };
        let counts = |waiting: Vec<(i32, u64, u64)>| {
            let waiting = waiting.into_iter().map(|(class, count, oldest_seconds)| {
                v1::WaitingFacts { class, count, oldest_seconds }
            });
            Some(v1::RackCounts { offers: 9, waiting: waiting.collect() })
        };
        let r1 = rack("r1", true, true, vec![]);
        let r2 = rack("r2", true, false, vec![scope(Progress::Refused, "no interface eth7")]);
        let overview = v1::OverviewResponse {
            racks: vec![
                RackConvergence { counts: counts(vec![(1, 0, 0), (2, 0, 0)]), ..r1 },
                RackConvergence { counts: counts(vec![(1, 12, 3), (2, 1, 70)]), ..r2 },
                rack("r3", false, false, vec![scope(Progress::Unreachable, "since 03:00")]),
                rack("r4", true, false, vec![scope(Progress::Pending, "")]),
            ],
            current: 1,
        };
        let screen = Screen { width: None, colour: false };
        assert_eq!(
            page(&overview, screen),
            "1 of 4 racks up to date\n\n\
             RACK  STATE        LAST SEEN  OUTBOX           BEHIND WITH\n\
             r1    up to date   -          empty            -\n\
             r2    refused      -          13, oldest 70 s  dhcp dc1/10: no interface eth7\n\
             r3    unreachable  -          -                dhcp dc1/10: since 03:00\n\
             r4    pending      -          -                dhcp dc1/10\n"
        );
    }
}
