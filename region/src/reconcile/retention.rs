//! What is old enough is forgotten, a little at a time.

use common::Timestamp;

use super::Context;
use crate::{
    db::{Conn, DbError, certificates, leases},
    events::retention::{self, Keep, STEP},
    operations::OperationError,
};

const DAY: i64 = 86_400_000_000;

pub async fn run(context: Context) -> Result<(), OperationError> {
    let (region, now) = (&context.region, context.region.clock.now());
    let keep = Keep {
        since: now.shifted(-i64::from(context.keep.keep_days) * DAY),
        most: i64::try_from(context.keep.keep_rows).unwrap_or(i64::MAX),
    };
    let mut events = 0;
    loop {
        let forget = move |conn: &mut Conn| retention::forget(conn, keep);
        match region.db.transaction(forget).await? {
            0 => break,
            some => events += some,
        }
    }
    let mut leases = 0;
    loop {
        let forget = move |conn: &mut Conn| leases::forget_ended(conn, keep.since, STEP);
        match region.db.transaction(forget).await? {
            0 => break,
            some => leases += some,
        }
    }
    let old: Timestamp = now.shifted(-DAY);
    let sweep = move |conn: &mut Conn| -> Result<usize, DbError> { certificates::sweep(conn, old) };
    let certificates = region.db.transaction(sweep).await?;
    if events + leases + certificates > 0 {
        tracing::info!(events, leases, certificates, "forgot what was old");
    }
    Ok(())
}
