//! What each rack should be doing, brought up to date: one pass takes one generation, and stamps only the scopes that differ.

use common::{Generation, RackId, generation::Digest, rack_config::ScopeConfig, report::Verdict};
use plan::rack_config::{RackScope, Unbuildable, build};
use proto::{
    convert::rack_config::{digest, encode},
    v1,
};
use std::collections::BTreeMap;

use super::Context;
use crate::{
    db::{
        model,
        refused_scopes::{self, RefusedScope},
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

/// Of one scope of one rack.
#[derive(Clone)]
struct Change {
    place: Place,
    name: String,
    what: What,
}

type Place = (RackId, String);

#[derive(Clone)]
enum What {
    /// The rack should have this.
    Stamp { digest: Digest, content: Vec<u8> },
    /// Nobody wants it any more.
    Withdraw,
    /// It cannot be built; what the rack has stays. Whether that is news beside `source`.
    Refuse { verdict: Verdict, digest: Digest, source: Digest, is_news: bool },
    /// It can be built again, or is not wanted any more. Of a scope that is as it was before, what is wanted.
    Heal(Option<Wanted>),
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
    let mut before = Before::load(tx)?;
    let mut changed = Vec::new();
    for RackScope { rack, scope, name, config } in build(&model::load(tx.conn)?) {
        let place = (rack, scope.to_string());
        match config {
            Ok(config) => changed.extend(before.compare(place, name, &config)),
            Err(unbuildable) => changed.extend(before.refuse(place, name, unbuildable)),
        }
    }
    changed.extend(before.gone());
    Ok(Plan { reach, cursor, latest, changed })
}

/// What earlier passes left, less what this one has met.
struct Before {
    wanted: BTreeMap<Place, Wanted>,
    refused: BTreeMap<Place, RefusedScope>,
}

impl Before {
    fn load(tx: &mut Tx<'_>) -> Result<Self, OperationError> {
        let wanted = scopes::wanted(tx.conn)?.into_iter();
        let refused = refused_scopes::load_all(tx.conn)?.into_iter();
        Ok(Self {
            wanted: wanted.map(|own| ((own.rack, own.scope.clone()), own)).collect(),
            refused: refused.map(|own| ((own.rack, own.scope.clone()), own)).collect(),
        })
    }

    fn compare(&mut self, place: Place, name: String, config: &ScopeConfig) -> Vec<Change> {
        let content = encode(config);
        let digest = digest(&content);
        let same = |before: &Wanted| before.digest == digest && !before.withdrawn;
        let unchanged = self.wanted.remove(&place).filter(same);
        let healed = self.refused.remove(&place).is_some();
        let change = |what| Change { place: place.clone(), name: name.clone(), what };
        let heal = healed.then(|| change(What::Heal(unchanged.clone())));
        let stamp = unchanged.is_none().then(|| change(What::Stamp { digest, content }));
        heal.into_iter().chain(stamp).collect()
    }

    fn refuse(&mut self, place: Place, name: String, unbuildable: Unbuildable) -> Option<Change> {
        self.wanted.remove(&place);
        let (objections, source) = (unbuildable.objections, digest(unbuildable.source.as_bytes()));
        let verdict = Verdict::Refused { objections, reason: UNBUILDABLE.into() };
        let digest = digest(&in_bytes(&verdict));
        let before = self.refused.remove(&place);
        let is_news = before.as_ref().is_none_or(|before| before.digest != digest);
        let same = !is_news && before.is_some_and(|before| before.source == source);
        let what = What::Refuse { verdict, digest, source, is_news };
        (!same).then_some(Change { place, name, what })
    }

    /// What nobody wants any more.
    fn gone(self) -> impl Iterator<Item = Change> {
        let refused = self.refused.into_iter();
        let healed = refused.map(|(place, own)| (place, own.name, What::Heal(None)));
        let wanted = self.wanted.into_iter().filter(|(_, wanted)| !wanted.withdrawn);
        let withdrawn = wanted.map(|(place, own)| (place, own.name, What::Withdraw));
        healed.chain(withdrawn).map(|(place, name, what)| Change { place, name, what })
    }
}

const UNBUILDABLE: &str =
    "region cannot make a configuration of it; the rack goes on with the last that it was given";

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
    // Also when no scope is stamped: whoever planned at the same time must see that this came between.
    if !plan.changed.is_empty() {
        generation.number += 1;
    }
    for change in plan.changed.iter().cloned() {
        save(tx, change, Reach { generation, cursor: plan.latest })?;
    }
    let cursor = reach.cursor.max(plan.cursor);
    if (Reach { generation, cursor }) != reach {
        scopes::save_reach(tx.conn, Reach { generation, cursor })?;
    }
    metrics::gauge!("hostler_configuration_generation").set(generation.number as f64);
    Ok(Some(generation))
}

fn save(tx: &mut Tx<'_>, change: Change, at: Reach) -> Result<(), OperationError> {
    let (Change { place: (rack, scope), name, what }, Reach { generation, cursor }) = (change, at);
    let (digest, content, withdrawn) = match what {
        What::Stamp { digest, content } => (digest, content, false),
        What::Withdraw => (digest(&[]), Vec::new(), true),
        What::Refuse { verdict, digest, source, is_news } => {
            if is_news {
                let key = rack::key(tx, rack)?;
                session::tell_verdict(tx, (rack, &key), (&name, generation), &verdict)?;
            }
            let verdict = in_bytes(&verdict);
            let refused =
                RefusedScope { rack, scope, name, generation, digest, source, verdict, cursor };
            return Ok(refused_scopes::save(tx.conn, &refused)?);
        }
        What::Heal(unchanged) => {
            refused_scopes::forget(tx.conn, rack, &scope)?;
            let Some(wanted) = unchanged else { return Ok(()) };
            // The rack has it, and whoever took the change back finds it among the scopes that this touched.
            scopes::save_wanted(tx.conn, &Wanted { cursor, ..wanted.clone() })?;
            return session::tell_again(tx, &wanted);
        }
    };
    tracing::debug!(%rack, scope = %name, %generation, "stamped");
    let wanted = Wanted { rack, scope, name, generation, digest, content, withdrawn, cursor };
    Ok(scopes::save_wanted(tx.conn, &wanted)?)
}

fn in_bytes(verdict: &Verdict) -> Vec<u8> {
    prost::Message::encode_to_vec(&v1::Verdict::from(verdict))
}
