#![doc = include_str!("../README.md")]

mod addresses;
pub mod api;
pub mod auth;
pub mod boot_store;
pub mod config;
pub mod db;
pub mod dispatch;
pub mod events;
mod gauges;
pub mod listen;
pub mod operations;
pub mod racks;
pub mod reconcile;
pub mod resources;
pub mod server;
pub mod ui;

use runtime::{clock::Clock, tasks::Tasks};
use std::sync::Arc;

/// What every door needs to call an operation.
#[derive(Clone)]
pub struct Region {
    pub db: db::Db,
    pub log: events::Log,
    pub tasks: Tasks,
    pub clock: Clock,
    /// The racks whose streams this process holds.
    pub racks: dispatch::Registry,
    pub configurations: dispatch::Configurations,
    /// What join tokens say; None while racks are not served.
    pub doorstep: Option<Arc<operations::rack_token::Doorstep>>,
    /// The content of boot files; None: this process keeps none.
    pub boot_files: Option<boot_store::Store>,
}

impl Region {
    /// `database` is a `postgres://` URL, or the path of a SQLite file, which is made when there is none.
    pub async fn open(database: &str, tasks: Tasks, clock: Clock) -> Result<Self, db::OpenError> {
        let db = db::Db::open(database, &tasks).await?;
        let log = events::Log::open(db.clone(), &tasks, clock.now()).await?;
        let (racks, configurations) =
            (dispatch::Registry::default(), dispatch::Configurations::default());
        Ok(Self { db, log, tasks, clock, racks, configurations, doorstep: None, boot_files: None })
    }
}
