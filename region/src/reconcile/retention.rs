//! What is old enough is forgotten, a little at a time.

use common::Timestamp;

use super::Context;
use crate::{
    Region,
    db::{Conn, DbError, boot_attempts, certificates, leases, rack_rows},
    events::retention::{self, Keep, STEP},
    operations::{OperationError, audit},
};

const DAY: i64 = 86_400_000_000;

pub async fn run(context: Context) -> Result<(), OperationError> {
    let (region, now) = (&context.region, context.region.clock.now());
    let keep = Keep {
        since: now.shifted(-i64::from(context.keep.keep_days) * DAY),
        most: i64::try_from(context.keep.keep_rows).unwrap_or(i64::MAX),
    };
    let events = all(region, move |conn| retention::forget(conn, keep)).await?;
    let leases = all(region, move |conn| leases::forget_ended(conn, keep.since, STEP)).await?;
    let boots = all(region, move |conn| boot_attempts::forget(conn, keep.since, STEP)).await?;
    let trail = now.shifted(-i64::from(context.audit.keep_days) * DAY);
    let changes = all(region, move |conn| audit::forget(conn, trail, STEP)).await?;
    let old: Timestamp = now.shifted(-DAY);
    let sweep = move |conn: &mut Conn| -> Result<usize, DbError> { certificates::sweep(conn, old) };
    let certificates = region.db.transaction(sweep).await?;
    let strays = region.db.transaction(rack_rows::sweep).await?;
    let forgotten = events + leases + boots + changes + certificates + strays;
    if forgotten > 0 {
        tracing::info!(events, leases, boots, changes, certificates, strays, "forgot what was old");
    }
    Ok(())
}

/// A step at a time, so that nobody waits long.
async fn all(
    region: &Region,
    step: impl Fn(&mut Conn) -> Result<usize, DbError> + Copy + Send + 'static,
) -> Result<usize, OperationError> {
    let mut gone = 0;
    loop {
        match region.db.transaction(step).await? {
            0 => return Ok(gone),
            some => gone += some,
        }
    }
}
