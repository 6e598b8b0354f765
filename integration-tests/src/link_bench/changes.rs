//! A subnet's DNS servers, changed again and again: from the write to the verdicts of both racks.

use super::{
    operator::{Operator, connect, on_region},
    report::Report,
};
use crate::lab::{centre::Centre, region::Region};
use anyhow::{Context, ensure};
use proto::{
    FieldMask,
    v1::{self, Progress, convergence_client::ConvergenceClient, subnets_client::SubnetsClient},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

const CHANGES: u8 = 200;
const SUBNET: &str = "10.77.0.0/16";
/// Between two changes, so that they do not march in step with anything in region.
const LONGEST_PAUSE_MS: u64 = 53;

#[derive(Default)]
struct Times {
    write: Vec<Duration>,
    from_answer: Vec<Duration>,
    from_start: Vec<Duration>,
}

pub(super) fn measure(centre: &Centre, report: &mut Report) -> anyhow::Result<()> {
    let times = on_region(&centre.region, async || change(&centre.region).await)?;
    report.times("subnet change: start of the write to its answer", times.write)?;
    report.times("subnet change: answer to both racks' verdicts", times.from_answer)?;
    report.times("subnet change: start of the write to both racks' verdicts", times.from_start)
}

async fn change(region: &Region) -> anyhow::Result<Times> {
    let operator = connect(region).await?;
    let mut subnets = SubnetsClient::new(operator.clone());
    let mut times = Times::default();
    for number in 0..CHANGES {
        let item =
            v1::Subnet { dns_servers: vec![format!("10.77.1.{number}")], ..v1::Subnet::default() };
        let request = v1::UpdateSubnetRequest {
            id: SUBNET.into(),
            item: Some(item),
            mask: Some(FieldMask { paths: vec!["dns_servers".into()] }),
            ..v1::UpdateSubnetRequest::default()
        };
        let start = Instant::now();
        let answer = subnets.update(request).await?;
        let answered = Instant::now();
        let cursor = answer.metadata().get("hostler-cursor").context("a cursor")?;
        let settled = settled(&operator, cursor.to_str()?).await?;
        times.write.push(answered - start);
        times.from_answer.push(settled - answered);
        times.from_start.push(settled - start);
        let pause = u64::from(number) * 17 % LONGEST_PAUSE_MS;
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Ok(times)
}

/// When the last verdict came.
async fn settled(operator: &Operator, cursor: &str) -> anyhow::Result<Instant> {
    let mut client = ConvergenceClient::new(operator.clone());
    let request = v1::WaitRequest { cursor: cursor.into() };
    let mut progress = client.wait(request).await?.into_inner();
    let mut verdicts = BTreeMap::new();
    loop {
        let next = progress.message().await?.context("the stream ended unsettled")?;
        for scope in next.scopes {
            verdicts.insert(scope.rack.clone(), scope.progress());
        }
        if next.settled {
            let arrived = Instant::now();
            let expected =
                [("rack1", Progress::Applied), ("rack2", Progress::Standby)].map(named).into();
            ensure!(
                verdicts == expected,
                "not applied by one and checked by the other: {verdicts:?}"
            );
            return Ok(arrived);
        }
    }
}

fn named((rack, progress): (&str, Progress)) -> (String, Progress) {
    (rack.to_owned(), progress)
}
