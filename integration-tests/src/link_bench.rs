//! Measures the way between region and racks, with all of them running as they are installed. It prints and judges nothing.

mod changes;
mod events;
pub(crate) mod facts;
pub(crate) mod operator;
pub(crate) mod report;

use crate::lab::{
    Lab,
    centre::{Centre, Wishes},
    postgres::Postgres,
};
use anyhow::Context;
use report::Report;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An operator's change, from the write to both racks' verdicts.
    Changes,
    /// A lease, from the client's ACK to the event at a watcher.
    Events,
    /// How many facts a second region records.
    Facts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// Each database with a data centre of its own; a line is printed as soon as it is known.
pub fn run(parts: &[Part], databases: &[Database]) -> anyhow::Result<()> {
    let mut report = Report::begin()?;
    for database in databases {
        report.of(*database);
        let lab = Lab::open("bnch")?.context("run by root")?;
        let wires = Centre::wire(&lab)?;
        // Goes after the data centre, which is built on it.
        let postgres = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(Postgres::durable(&wires.region, lab.folder())?),
        };
        let url = postgres.as_ref().map(|_| "postgres://postgres@127.0.0.1/postgres");
        let centre = Centre::furnish(lab, wires, Wishes { database: url, ..Wishes::default() })?;
        for part in parts {
            match part {
                Part::Changes => changes::measure(&centre, &mut report)?,
                Part::Events => events::measure(&centre, &mut report)?,
                Part::Facts => facts::measure(&centre, &mut report)?,
            }
        }
    }
    Ok(())
}
