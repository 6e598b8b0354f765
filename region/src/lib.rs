//! The centre, in miniature. Knows nothing of packets.

pub mod api;
pub mod auth;
pub mod db;
pub mod events;
pub mod operations;
pub mod resources;

use std::sync::Arc;

/// What every door needs to call an operation.
#[derive(Clone)]
pub struct Region {
    pub db: db::Db,
    pub bell: Arc<events::Bell>,
}

impl Region {
    pub fn open(url: &str) -> anyhow::Result<Self> {
        let region = Self { db: db::Db::open(url)?, bell: Arc::new(events::Bell::new()) };
        events::hear_other_processes(url, region.bell.clone())?;
        Ok(region)
    }
}
