#![doc = include_str!("../README.md")]

pub mod api;
pub mod auth;
pub mod db;
pub mod events;
pub mod operations;
pub mod resources;

use runtime::{clock::Clock, tasks::Tasks};

/// What every door needs to call an operation.
#[derive(Clone)]
pub struct Region {
    pub db: db::Db,
    pub log: events::Log,
    pub tasks: Tasks,
    pub clock: Clock,
}

impl Region {
    /// `database` is a `postgres://` URL, or the path of a SQLite file, which is made when there is none.
    pub async fn open(database: &str, tasks: Tasks, clock: Clock) -> Result<Self, db::OpenError> {
        let db = db::Db::open(database, &tasks).await?;
        let log = events::Log::open(db.clone(), &tasks, clock.now()).await?;
        Ok(Self { db, log, tasks, clock })
    }
}
