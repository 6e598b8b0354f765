//! What is printed: the conditions first, then a line for each thing measured.

use super::Database;
use std::{
    fs,
    io::{Stdout, Write, stdout},
    thread,
    time::Duration,
};

pub(crate) struct Report {
    out: Stdout,
    database: &'static str,
}

impl Report {
    pub(crate) fn begin() -> anyhow::Result<Self> {
        let mut out = stdout();
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let cores = thread::available_parallelism()?;
        let load = fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        writeln!(out, "{build} build, {cores} cores, load average {load} before it began")?;
        writeln!(out, "each commit of SQLite and PostgreSQL and each lease is synced to disk\n")?;
        writeln!(out, "| database | what | number | p50 ms | p99 ms | longest ms | a second |")?;
        writeln!(out, "|---|---|---|---|---|---|---|")?;
        Ok(Self { out, database: "" })
    }

    pub(crate) fn of(&mut self, database: Database) {
        self.database = match database {
            Database::Sqlite => "SQLite",
            Database::Postgres => "PostgreSQL",
        };
    }

    pub(crate) fn times(&mut self, what: &str, mut times: Vec<Duration>) -> anyhow::Result<()> {
        times.sort_unstable();
        let at = |per_mille| milliseconds(quantile(&times, per_mille));
        let (half, most, longest) = (at(500), at(990), at(1000));
        let (count, database) = (times.len(), self.database);
        writeln!(self.out, "| {database} | {what} | {count} | {half} | {most} | {longest} | |")?;
        Ok(())
    }

    pub(crate) fn rate(&mut self, what: &str, count: u64, took: Duration) -> anyhow::Result<()> {
        let (rate, database) = (count as f64 / took.as_secs_f64(), self.database);
        writeln!(self.out, "| {database} | {what} | {count} | | | | {rate:.0} |")?;
        Ok(())
    }

    /// How much of one core the process had.
    pub(crate) fn share(&mut self, what: &str, share: f64) -> anyhow::Result<()> {
        self.remark(&format!("{what}: {:.1} % of a core", share * 100.0))
    }

    /// What a reader of the table must know beside it.
    pub(crate) fn remark(&mut self, words: &str) -> anyhow::Result<()> {
        let database = self.database;
        writeln!(self.out, "| {database} | {words} | | | | | |")?;
        Ok(())
    }
}

/// The smallest that at least so many of a thousand do not exceed; of none, nothing.
fn quantile(sorted: &[Duration], per_mille: usize) -> Option<Duration> {
    let place = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(place.saturating_sub(1)).copied()
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or("-".into(), |time| format!("{:.1}", time.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let times = |count| (1..=count).map(Duration::from_millis).collect::<Vec<_>>();
        for (count, per_mille, expected) in [
            (0, 500, None),
            (1, 500, Some(1)),
            (1, 990, Some(1)),
            (2, 500, Some(1)),
            (3, 500, Some(2)),
            (100, 990, Some(99)),
            (200, 990, Some(198)),
            (200, 1000, Some(200)),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(quantile(&times(count), per_mille), expected, "{count} {per_mille}");
        }
    }
}
