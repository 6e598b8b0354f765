//! What a watcher is told: `hostler NOUN list --watch`, read line by line as it comes.

use super::{Process, until};
use anyhow::Context;
use serde_json::Value;
use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

/// A watch that runs.
pub struct Watch {
    process: Process,
}

impl Watch {
    pub(super) fn new(process: Process) -> Self {
        Self { process }
    }

    /// Each line so far: `cursor`, `change` and `item`.
    pub fn lines(&self) -> anyhow::Result<Vec<Value>> {
        let text = self.process.log()?;
        // What stands after the last line break is still being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("JSON: {line}")))
            .collect()
    }

    /// Events of one type about one thing.
    pub fn about(&self, event: &str, key: &str) -> anyhow::Result<Vec<Value>> {
        let mut lines = self.lines()?;
        lines.retain(|line| line["item"]["type"] == event && line["item"]["key"] == key);
        Ok(lines)
    }

    /// Waits for an event; how long that took.
    pub fn sees(&self, event: &str, key: &str, limit: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        until(limit, &format!("the watcher sees {event} of {key}"), || {
            Ok(self.about(event, key)?.pop())
        })?;
        Ok(began.elapsed())
    }

    pub fn sees_lease(&self, address: Ipv4Addr, limit: Duration) -> anyhow::Result<Duration> {
        self.sees("lease.bound", &address.to_string(), limit)
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
