//! The loaders that machines are told of: those of the boot files that are served.

use engine::boot::CompiledBoot;
use runtime::tasks::Tasks;
use std::sync::Arc;
use tokio::{sync::watch, task::spawn_blocking};

use super::DhcpService;
use crate::services::boot::BootTable;

impl DhcpService {
    /// Tells machines of what is served, from now on and until shutdown. `http_port` is where files are served.
    pub fn follow_boot(
        &self,
        mut table: watch::Receiver<Option<BootTable>>,
        http_port: u16,
        tasks: &Tasks,
    ) {
        let (dhcp, shutdown) = (self.clone(), tasks.shutdown());
        tasks.spawn("boot loaders", async move {
            loop {
                let config = table.borrow_and_update().as_ref().map(|it| Arc::clone(&it.config));
                // Thousands of machines take a while.
                let compile = move || config.map(|it| CompiledBoot::compile(&it, http_port));
                let Ok(compiled) = spawn_blocking(compile).await else { return };
                dhcp.apply_boot(compiled).await;
                tokio::select! {
                    changed = table.changed() => if changed.is_err() { return },
                    () = shutdown.cancelled() => return,
                }
            }
        });
    }
}
