//! What one pass over all configurations takes: from the answer to a change of one field until its scope is stamped.

use crate::{
    lab::region::Region,
    link_bench::{operator::connect, report::Report},
};
use anyhow::Context;
use proto::{
    FieldMask,
    v1::{self, convergence_client::ConvergenceClient, subnets_client::SubnetsClient},
};
use std::time::{Duration, Instant};

const CHANGES: u8 = 50;
/// Between two changes, so that each has a pass of its own.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn measure(
    region: &Region,
    subnet: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    let operator = connect(region).await?;
    let mut subnets = SubnetsClient::new(operator.clone());
    let mut convergence = ConvergenceClient::new(operator);
    let mut times = Vec::new();
    for number in 0..CHANGES {
        let item =
            v1::Subnet { dns_servers: vec![format!("10.77.1.{number}")], ..v1::Subnet::default() };
        let request = v1::UpdateSubnetRequest {
            id: subnet.into(),
            item: Some(item),
            mask: Some(FieldMask { paths: vec!["dns_servers".into()] }),
            ..v1::UpdateSubnetRequest::default()
        };
        let answer = subnets.update(request).await?;
        let answered = Instant::now();
        let cursor = answer.metadata().get("hostler-cursor").context("a cursor")?;
        let request = v1::WaitRequest { cursor: cursor.to_str()?.into() };
        let mut progress = convergence.wait(request).await?.into_inner();
        loop {
            let next = progress.message().await?.context("the stream ended unstamped")?;
            if !next.scopes.is_empty() {
                break;
            }
        }
        times.push(answered.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    report.times("a subnet change: its answer until a pass has stamped its VLAN", times)
}
