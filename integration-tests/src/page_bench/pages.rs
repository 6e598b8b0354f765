//! How long region takes for a page: from the request to the last byte of the answer, on a connection that stands.

use super::{
    asked::{self, Asked, Deep},
    visitor::{Account, Visitor},
};
use crate::{
    lab::region::Region,
    link_bench::{
        operator::{Operator, connect},
        report::Report,
    },
};
use anyhow::{Context, ensure};
use proto::v1;
use runtime::tasks::Tasks;
use std::time::{Duration, Instant};

/// Of each page, and a tenth of it before that does not count.
const TIMES: usize = 200;
/// No page with all its assets is heavier.
const HEAVIEST: usize = 60_000;

pub(super) async fn measure(
    region: &Region,
    only: &[String],
    report: &mut Report,
) -> anyhow::Result<()> {
    let tasks = Tasks::new();
    let account = Account::sign_in(region, &tasks).await?;
    let operator = connect(region).await?;
    let mut visitor = account.visit().await?;
    let shared = assets(&mut visitor).await?;
    report.remark(&format!("style sheet, script and icon together, compressed: {shared} bytes"))?;
    let mut heaviest = (0, String::new());
    for asked in asked::everything()? {
        if !only.is_empty() && !only.iter().any(|part| asked.name.contains(part.as_str())) {
            continue;
        }
        let path = path(&asked, &operator).await?;
        // Region hangs up on one that said nothing for as long as the way to some middle takes.
        let mut visitor = account.visit().await?;
        let (size, times) = times(&mut visitor, &path).await.context(path)?;
        heaviest = heaviest.max((shared + size, asked.name.clone()));
        report.times(&format!("{}, {size} bytes", asked.name), times)?;
    }
    let (weight, name) = heaviest;
    let verdict = if weight < HEAVIEST { "within" } else { "OVER" };
    report
        .remark(&format!("heaviest with assets: {name}, {weight} bytes, {verdict} {HEAVIEST}"))?;
    if only.is_empty() {
        export(&account, report).await?;
        programs(&operator, report).await?;
    }
    tasks.close(Duration::from_secs(5)).await;
    Ok(())
}

async fn times(visitor: &mut Visitor, path: &str) -> anyhow::Result<(usize, Vec<Duration>)> {
    let mut times = Vec::with_capacity(TIMES);
    let mut size = 0;
    for at in 0..TIMES + TIMES / 10 {
        let began = Instant::now();
        size = visitor.page(path).await?;
        if at >= TIMES / 10 {
            times.push(began.elapsed());
        }
    }
    Ok((size, times))
}

/// What all pages have in common.
async fn assets(visitor: &mut Visitor) -> anyhow::Result<usize> {
    let page = visitor.text("/").await?;
    let parts = page.split('"').filter(|text| text.starts_with("/assets/"));
    let mut paths: Vec<&str> = parts.collect();
    paths.sort_unstable();
    paths.dedup();
    ensure!(!paths.is_empty(), "a page without assets");
    let mut size = 0;
    for path in paths {
        size += visitor.page(path).await?;
    }
    Ok(size)
}

async fn path(asked: &Asked, operator: &Operator) -> anyhow::Result<String> {
    let Some(deep) = &asked.deep else { return Ok(asked.path.clone()) };
    let token = middle(operator, deep).await?;
    let and = if asked.path.contains('?') { '&' } else { '?' };
    Ok(format!("{}{and}after={token}", asked.path))
}

/// The token of the page in the middle of a list.
async fn middle(operator: &Operator, deep: &Deep) -> anyhow::Result<String> {
    let mut tokens = Vec::new();
    let mut request = v1::ListRequest {
        page_size: 1000,
        filter: deep.filter.clone(),
        order_by: deep.order.clone(),
        ..v1::ListRequest::default()
    };
    loop {
        request.page_token = next(operator, deep.noun, request.clone()).await?;
        if request.page_token.is_empty() {
            break;
        }
        tokens.push(request.page_token.clone());
    }
    let middle = tokens.len() / 2;
    // Of a short list, its end is deep enough.
    Ok(tokens.into_iter().nth(middle).unwrap_or_default())
}

async fn next(operator: &Operator, noun: &str, request: v1::ListRequest) -> anyhow::Result<String> {
    let operator = operator.clone();
    Ok(match noun {
        "lease" => {
            let mut leases = v1::leases_client::LeasesClient::new(operator);
            leases.list(request).await?.into_inner().next_page_token
        }
        "subnet" => {
            let mut subnets = v1::subnets_client::SubnetsClient::new(operator);
            subnets.list(request).await?.into_inner().next_page_token
        }
        _ => {
            let mut machines = v1::machines_client::MachinesClient::new(operator);
            machines.list(request).await?.into_inner().next_page_token
        }
    })
}

/// Until the first byte of a file of all leases, whose browser then goes away; and all of one.
async fn export(account: &Account, report: &mut Report) -> anyhow::Result<()> {
    let mut begins = Vec::new();
    for _ in 0..TIMES / 10 {
        let mut visitor = account.visit().await?;
        let began = Instant::now();
        visitor.first_byte("/leases?as=csv").await?;
        begins.push(began.elapsed());
    }
    report.times("leases as CSV, until it begins", begins)?;
    let began = Instant::now();
    account.visit().await?.page("/leases?as=csv").await?;
    report.times("leases as CSV, all of them", vec![began.elapsed()])
}

/// What a program asks that reads leases without the console.
async fn programs(operator: &Operator, report: &mut Report) -> anyhow::Result<()> {
    let list = |filter: &str, order_by: &str, page_token: String| v1::ListRequest {
        page_size: 50,
        page_token,
        filter: filter.into(),
        order_by: order_by.into(),
    };
    let deep = Deep { noun: "lease", order: "ends_at desc".into(), filter: String::new() };
    let middle = middle(operator, &deep).await?;
    for (name, request) in [
        ("Leases.List", list("", "", String::new())),
        ("Leases.List by ends_at desc, in the middle", list("", "ends_at desc", middle)),
        (
            "Leases.List with a part of a name that none has",
            list("host_name~nobody", "", String::new()),
        ),
    ] {
        let mut leases = v1::leases_client::LeasesClient::new(operator.clone());
        let mut times = Vec::with_capacity(TIMES);
        for at in 0..TIMES + TIMES / 10 {
            let began = Instant::now();
            leases.list(request.clone()).await?;
            if at >= TIMES / 10 {
                times.push(began.elapsed());
            }
        }
        report.times(name, times)?;
    }
    Ok(())
}
