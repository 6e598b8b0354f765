//! What machines boot, as it was applied last: whoever serves a part of it follows.

use common::{rack_config::BootConfig, report::Verdict};
use std::sync::Arc;
use tokio::sync::watch;

use super::dhcp::LinkAddresses;

/// What is to be served, and at which addresses of the rack.
#[derive(Clone, Debug)]
pub struct BootTable {
    pub config: Arc<BootConfig>,
    pub links: Vec<LinkAddresses>,
}

/// A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct BootService {
    table: watch::Sender<Option<BootTable>>,
}

impl BootService {
    pub fn apply(&self, config: BootConfig, links: Vec<LinkAddresses>) -> Verdict {
        self.table.send_replace(Some(BootTable { config: Arc::new(config), links }));
        Verdict::Applied
    }

    pub fn withdraw(&self) {
        self.table.send_replace(None);
    }

    /// None: nothing is to be served.
    pub fn table(&self) -> watch::Receiver<Option<BootTable>> {
        self.table.subscribe()
    }
}
