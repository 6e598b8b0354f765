//! All leases at one moment, for a region that missed too much of what happened to them.

use common::report::LeaseChanged;
use engine::{
    dhcp::{Position, Servers},
    lease::record::{self, Record},
};
use std::{fmt, io};

use super::{replay::replay, segments::Segments};

/// Made when a region that was away for long comes back. Holds the leases a second time until it is dropped.
pub struct SnapshotPages {
    leases: Box<Servers>,
    upto: u64,
    first: bool,
    at: Option<Position>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct SnapshotPage {
    pub leases: Vec<LeaseChanged>,
    pub first: bool,
    pub last: bool,
}

impl SnapshotPages {
    /// What the log has now. The caller holds the files.
    pub(super) fn take(segments: &Segments) -> io::Result<Self> {
        let upto = *segments.newest().borrow();
        let mut leases = Box::new(Servers::new(segments.seed));
        replay(&segments.directory, |frame| {
            // What was written and not yet synced has not happened.
            let committed = frame.records().flatten().filter(|record| record.revision <= upto);
            committed.for_each(|record| leases.load(&record));
        })?;
        Ok(Self { leases, upto, first: true, at: Some(Position::default()) })
    }

    /// When the last page is recorded, everything up to this number is.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// The next leases, at most `limit`; none after the last page.
    pub fn next_page(&mut self, limit: usize) -> Option<SnapshotPage> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let mut frame = Vec::new();
        record::begin(&mut frame);
        let page = self.leases.snapshot(self.at?, limit, &mut frame);
        record::seal(&mut frame, 0, page.records);
        self.at = page.next;
        let records = record::read_frame(&frame).into_iter().flat_map(|frame| frame.records());
        Some(SnapshotPage {
            leases: records.flatten().filter_map(|record: Record<'_>| record.to_fact()).collect(),
            first: std::mem::replace(&mut self.first, false),
            last: page.next.is_none(),
        })
    }
}

impl fmt::Debug for SnapshotPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotPages").field("upto", &self.upto).field("at", &self.at).finish()
    }
}
