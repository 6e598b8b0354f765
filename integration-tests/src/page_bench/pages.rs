//! How long region takes for a page: from the request to the last byte of the answer, on a connection that stands.

use super::visitor::Account;
use crate::{lab::region::Region, link_bench::report::Report};
use runtime::tasks::Tasks;
use std::time::{Duration, Instant};

/// Of each page, and a tenth of it before that does not count.
const TIMES: usize = 300;

const PAGES: &[(&str, &str)] = &[
    ("overview", "/"),
    ("leases", "/leases"),
    ("leases by host name", "/leases?sort=host_name"),
    ("leases by end, the latest first", "/leases?sort=-ends_at"),
    ("leases of a state", "/leases?filter=state%3Dbound&sort=-address"),
    ("leases of a MAC", "/leases?filter=mac%3D02:5b:00:00:30:39"),
    ("leases with a part of a name", "/leases?filter=host_name~-9999"),
    ("leases with a part of a name that none has", "/leases?filter=host_name~nobody"),
    ("leases of a rack", "/leases?filter=rack%3Dsource"),
    ("subnets", "/subnets"),
    ("subnets by note", "/subnets?sort=-note"),
    ("subnets with a part of a note", "/subnets?filter=note~room+50"),
    ("subnets by gateway", "/subnets?sort=-gateway"),
    ("a subnet with a map", "/subnets/10.1.1.0/24"),
    ("the subnet of all leases", "/subnets/100.64.0.0/10"),
    ("events", "/events"),
    ("find an address", "/find?q=100.64.1.1"),
    ("find a part of a name", "/find?as=json&q=host-99"),
];

pub(super) async fn measure(region: &Region, report: &mut Report) -> anyhow::Result<()> {
    let tasks = Tasks::new();
    let account = Account::sign_in(region, &tasks).await?;
    let mut visitor = account.visit().await?;
    for (name, path) in PAGES {
        let mut times = Vec::with_capacity(TIMES);
        let mut size = 0;
        for at in 0..TIMES + TIMES / 10 {
            let began = Instant::now();
            size = match visitor.page(path).await {
                Ok(size) => size,
                // The single hit of a search is somewhere else.
                Err(error) if path.starts_with("/find") => {
                    visitor = account.visit().await?;
                    if !error.to_string().contains("303") {
                        return Err(error);
                    }
                    0
                }
                Err(error) => return Err(error),
            };
            if at >= TIMES / 10 {
                times.push(began.elapsed());
            }
        }
        report.times(&format!("{name}, {size} bytes"), times)?;
    }
    tasks.close(Duration::from_secs(5)).await;
    Ok(())
}
