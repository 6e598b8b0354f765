//! Measures the console of a large region: how long its lists take, and what many open pages cost. It prints and judges nothing.

mod asked;
mod live;
mod pages;
mod passes;
mod stock;
mod visitor;

use crate::{
    lab::{
        Lab, Node,
        centre::Centre,
        postgres::Postgres,
        region::{Region, Settings},
    },
    link_bench::{Database, operator::on_region, report::Report},
};
use anyhow::Context;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// How long each page takes, and what it weighs.
    Pages,
    /// What open pages cost.
    Live,
    /// From a change to what racks are told.
    Passes,
}

/// Each database with a region of its own; a line is printed as soon as it is known. Of the pages `only` those whose names have one of these in them.
pub fn run(parts: &[Part], databases: &[Database], only: &[String]) -> anyhow::Result<()> {
    let mut report = Report::begin()?;
    for database in databases {
        report.of(*database);
        let lab = Lab::open("pbch")?.context("run by root")?;
        let wires = Centre::wire(&lab)?;
        // Goes after the region, which is built on it.
        let postgres = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(Postgres::durable(&wires.region, lab.folder())?),
        };
        let url = postgres.as_ref().map(|_| "postgres://postgres@127.0.0.1/postgres");
        let mut region = install(&lab, &wires.region, url)?;
        let process = region.process()?.pid();
        let token = stock::token(&region)?;
        on_region(&region, async || {
            let mut source = stock::fill(&region, &token).await?;
            for part in parts {
                match part {
                    Part::Pages => pages::measure(&region, only, &mut report).await?,
                    Part::Live => live::measure(&region, process, &mut source, &mut report).await?,
                    Part::Passes => passes::measure(&region, stock::MAPPED, &mut report).await?,
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn install(lab: &Lab, node: &Node, database: Option<&str>) -> anyhow::Result<Region> {
    let settings = Settings {
        name: "region",
        operators_at: "198.18.0.1",
        racks_at: &["198.18.0.1"],
        database,
        key_of: None,
        racks: "",
    };
    Region::install(lab, node, &settings)
}
