//! What each rack should be doing, brought up to date: one pass takes one generation, and stamps only the scopes that differ.

use common::{Generation, generation::Digest};
use plan::rack_config::{RackScope, build};
use proto::convert::rack_config::{digest, encode};
use std::collections::BTreeMap;

use super::Context;
use crate::{
    db::{
        model,
        scopes::{self, Reach, Wanted},
    },
    events::{self, Cursor},
    operations::{OperationError, Tx, rack, session},
};

/// What a pass found, before anything is written.
struct Plan {
    /// As it was when the plan was made.
    reach: Option<Reach>,
    /// All of the log up to here is in the plan.
    cursor: Cursor,
    /// Nothing after this is. Between the two lies what was committed while an older transaction still ran: who waits for such a change must find the
    /// scopes that it touched.
    latest: Cursor,
    changed: Vec<Change>,
}

/// One scope that is not as it should be.
#[derive(Clone)]
struct Change {
    rack: common::RackId,
    scope: String,
    name: String,
    digest: Digest,
    content: Vec<u8>,
    withdrawn: bool,
}

/// Another region may have passed meanwhile; then what is planned is out of date, and made anew.
const ATTEMPTS: usize = 8;

pub async fn run(context: Context) -> Result<(), OperationError> {
    let actor = rack::system();
    for _ in 0..ATTEMPTS {
        // Judged in a view that blocks nobody, written in a transaction that is short.
        let plan = context.region.read(&actor, make_plan).await?;
        let written = context.region.write(&actor, move |tx| carry_out(tx, &plan)).await?;
        if let Some(generation) = written {
            context.region.configurations.publish(generation);
            return Ok(());
        }
    }
    Ok(())
}

fn make_plan(tx: &mut Tx<'_>) -> Result<Plan, OperationError> {
    let (cursor, latest) = (events::horizon(tx.conn)?.cursor, events::now(tx.conn)?);
    let reach = scopes::reach(tx.conn)?;
    let mut current: BTreeMap<(common::RackId, String), Wanted> = scopes::wanted(tx.conn)?
        .into_iter()
        .map(|wanted| ((wanted.rack, wanted.scope.clone()), wanted))
        .collect();
    let mut changed = Vec::new();
    for RackScope { rack, scope, name, config } in build(&model::load(tx.conn)?) {
        let scope = scope.to_string();
        let before = current.remove(&(rack, scope.clone()));
        let config = match config {
            Ok(config) => config,
            Err(objections) => {
                let why: Vec<String> = objections.iter().map(ToString::to_string).collect();
                tracing::error!(%rack, scope = %name, reason = %why.join("; "), "not sent");
                continue;
            }
        };
        let content = encode(&config);
        let digest = digest(&content);
        let same = |before: &Wanted| before.digest == digest && !before.withdrawn;
        if !before.as_ref().is_some_and(same) {
            changed.push(Change { rack, scope, name, digest, content, withdrawn: false });
        }
    }
    let gone = current.into_values().filter(|wanted| !wanted.withdrawn);
    changed.extend(gone.map(|wanted| Change {
        rack: wanted.rack,
        scope: wanted.scope,
        name: wanted.name,
        digest: digest(&[]),
        content: Vec::new(),
        withdrawn: true,
    }));
    Ok(Plan { reach, cursor, latest, changed })
}

/// None: the plan is out of date.
fn carry_out(tx: &mut Tx<'_>, plan: &Plan) -> Result<Option<Generation>, OperationError> {
    let reach = session::lock_reach(tx)?;
    let planned = plan.reach.map(|planned| planned.generation);
    if planned.is_some_and(|planned| planned != reach.generation)
        || plan.cursor.epoch != reach.generation.epoch
    {
        return Ok(None);
    }
    let mut generation = reach.generation;
    if !plan.changed.is_empty() {
        generation.number += 1;
    }
    for change in plan.changed.iter().cloned() {
        let wanted = Wanted {
            rack: change.rack,
            scope: change.scope,
            name: change.name,
            generation,
            digest: change.digest,
            content: change.content,
            withdrawn: change.withdrawn,
            cursor: plan.latest,
        };
        tracing::debug!(rack = %wanted.rack, scope = %wanted.name, %generation, "stamped");
        scopes::save_wanted(tx.conn, &wanted)?;
    }
    let cursor = reach.cursor.max(plan.cursor);
    if (Reach { generation, cursor }) != reach {
        scopes::save_reach(tx.conn, Reach { generation, cursor })?;
    }
    metrics::gauge!("hostler_configuration_generation").set(generation.number as f64);
    Ok(Some(generation))
}
