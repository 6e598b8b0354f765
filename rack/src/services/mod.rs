//! What a rack does for the machines beside it. A service is configured by its scopes and says how it is.

pub mod boot;
pub mod boot_events;
pub mod boot_files;
#[cfg(test)]
mod boot_stage;
pub mod boot_trace;
pub mod dhcp;
pub mod http_boot;
mod limits;
pub mod tftp;

use common::report::ServiceStatus;
use futures_util::future::select_all;
use std::time::Duration;
use tokio::sync::watch;

use boot::BootService;
use dhcp::DhcpService;

/// How all services are; a clone follows by itself.
#[derive(Clone, Debug)]
pub struct Statuses(Vec<watch::Receiver<ServiceStatus>>);

impl Statuses {
    /// One row for each service of the rack.
    pub fn new(dhcp: &DhcpService, boot: &BootService) -> Self {
        Self([dhcp.status()].into_iter().chain(boot.statuses()).collect())
    }

    /// As they are now; what is read here is not news any more.
    pub fn read(&mut self) -> Vec<ServiceStatus> {
        self.0.iter_mut().map(|status| status.borrow_and_update().clone()).collect()
    }

    /// Until one of them says something new.
    pub async fn changed(&mut self) {
        let each = self.0.iter_mut().map(|status| Box::pin(status.changed()));
        let (changed, ..) = select_all(each).await;
        if changed.is_err() {
            // A service that is gone says nothing more, and the process is about to end; this keeps callers from spinning until then.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
